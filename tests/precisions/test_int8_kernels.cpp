// The integer kernels of cpu-int8 and cpu-int4 with every instruction set of this machine, and the products by tiles
// also with the plain twin of tiles and with emulated tiles, against the formulas: sums of 64 bits, sdk/quantise.hpp,
// and the layouts of int8_packed.hpp.
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "backend.hpp"
#include "gpt2run/sdk/quantise.hpp"
#include "int8_kernels.hpp"
#include "int8_tile_product.hpp"
#include "tile_emulator.hpp"

namespace gpt2run::cpu {
namespace {

struct Set {
  std::string name;
  Int8Kernels kernels;

  void linear(Codes kind, const CodedRows& x, int rows, const std::byte* w, int K, int outputs, float* y,
              int64_t y_stride) const {
    std::vector<std::byte> workspace(int8_workspace(kernels.isa, rows, K));
    kernels.linear[static_cast<int>(kind)](x, rows, w, K, outputs, y, y_stride, workspace.data());
  }
};

std::ostream& operator<<(std::ostream& out, const Set& set) { return out << set.name; }

// The set amx, with the plain twin of tiles for its products.
Set twin_of_tiles() {
  using portable::PlainTiles, portable::tile_codes;
  Int8Kernels kernels = kernels_of(Int8Isa::portable);
  kernels.isa = Int8Isa::amx;
  kernels.linear[static_cast<int>(Codes::int8)] = tile_codes<Codes::int8, PlainTiles>;
  kernels.linear[static_cast<int>(Codes::int4)] = tile_codes<Codes::int4, PlainTiles>;
  return {"tile_twin", kernels};
}

std::vector<Set> sets() {
  std::vector<Set> all;
  for (int i = 0; i < kInt8Isas; ++i)
    if (const auto isa = static_cast<Int8Isa>(i); isa == Int8Isa::amx ? test::can_call_tiles() : runs(isa))
      all.push_back({kInt8IsaNames[i], kernels_of(isa)});
  all.push_back(twin_of_tiles());
  return all;
}

class Int8KernelsTest : public testing::TestWithParam<Set> {
 protected:
  const Int8Kernels& kernels() const { return GetParam().kernels; }
};

std::string name_of_set(const testing::TestParamInfo<Set>& set) { return set.param.name; }

INSTANTIATE_TEST_SUITE_P(All, Int8KernelsTest, testing::ValuesIn(sets()), name_of_set);

// Rows of codes with zeros behind their inputs.
struct Rows {
  Rows(int rows, int K) : width(padded(K, kGroupInputs)), codes(size_t(rows) * width), scales(rows), sums(rows) {}
  CodedRows view() const { return {codes.data(), width, scales.data(), sums.data()}; }
  int64_t width;
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int32_t> sums;
};

// extreme: only the largest codes of both signs.
Rows some_rows(int rows, int K, std::mt19937& random, bool extreme) {
  Rows all(rows, K);
  for (int r = 0; r < rows; ++r) {
    all.scales[r] = std::ldexp(1 + float(random() % 32768) / 32768, -int(random() % 8));
    for (int k = 0; k < K; ++k) {
      const int code = extreme ? (random() % 2 ? 127 : -127) : int(random() % 255) - 127;
      all.codes[r * all.width + k] = static_cast<int8_t>(code), all.sums[r] += code;
    }
  }
  return all;
}

// A packed matrix of random codes, and the int8 weights that it stands for.
struct Matrix {
  std::vector<std::byte> panels;
  std::vector<int> codes;  // (outputs, K)
  std::vector<float> scales;
};

Matrix some_matrix(Codes kind, int outputs, int K, std::mt19937& random, bool extreme) {
  Matrix m{std::vector<std::byte>(packed_bytes(kind, outputs, K)), std::vector<int>(size_t(outputs) * K), {}};
  for (int o = 0; o < outputs; ++o) {
    std::byte* panel = m.panels.data() + o / kPanel * panel_bytes(kind, K);
    m.scales.push_back(std::ldexp(1 + float(random() % 32768) / 32768, -int(random() % 8)));
    std::memcpy(panel + o % kPanel * sizeof(float), &m.scales.back(), sizeof(float));
    Int4Group group{};
    for (int k = 0; k < K; ++k) {
      int& code = m.codes[size_t(o) * K + k];
      if (kind == Codes::int8) {
        code = extreme ? (random() % 2 ? 127 : -127) : int(random() % 255) - 127;
        panel[int8_at(o % kPanel, k)] = static_cast<std::byte>(code + kBias);
        continue;
      }
      if (k % kGroupInputs == 0) {
        group = extreme ? Int4Group{8, random() % 2 ? 15 : 0} : Int4Group{int(random() % 8) + 1, int(random() % 16)};
        panel[int4_group_at(o % kPanel, k)] = static_cast<std::byte>(group.byte());
      }
      const int four = extreme ? (group.zero ? 0 : 15) : int(random() % 16);
      panel[int4_at(o % kPanel, k)] |= static_cast<std::byte>(four << int4_shift(k));
      code = int4_weight(group, four);
    }
  }
  return m;
}

void expect_product(const Set& set, Codes kind, int rows, int K, int outputs, bool extreme) {
  std::mt19937 random(static_cast<uint32_t>(rows * 7919 + K * 31 + outputs));
  const Matrix w = some_matrix(kind, outputs, K, random, extreme);
  const Rows x = some_rows(rows, K, random, extreme);
  constexpr float kUntouched = -77;
  const int64_t stride = outputs + 3;
  std::vector<float> y(rows * stride, kUntouched);
  set.linear(kind, x.view(), rows, w.panels.data(), K, outputs, y.data(), stride);
  for (int r = 0; r < rows; ++r) {
    for (int o = 0; o < stride; ++o) {
      const float own = y[r * stride + o];
      if (o >= outputs) {
        ASSERT_EQ(own, kUntouched) << "beyond the outputs";
        continue;
      }
      int64_t sum = 0;
      for (int k = 0; k < K; ++k) sum += int64_t(x.codes[r * x.width + k]) * w.codes[size_t(o) * K + k];
      const float expected = (static_cast<float>(sum) * w.scales[o]) * x.scales[r];
      ASSERT_EQ(std::bit_cast<uint32_t>(own), std::bit_cast<uint32_t>(expected))
          << name_of(kind) << " " << rows << " rows, K " << K << ", outputs " << outputs << ": row " << r << ", output "
          << o << " is " << own << " and not " << expected;
    }
  }
}

TEST_P(Int8KernelsTest, ProductsAreExactSums) {
  for (const Codes kind : {Codes::int8, Codes::int4}) {
    for (const int K : {1, 4, 33, 48, 64, 100, 257, 800}) {
      for (const int outputs : {1, 16, 64, 65, 200}) {
        for (const int rows : {1, 2, 3, 4, 5, 6, 7, 8, 11, 20})
          expect_product(GetParam(), kind, rows, K, outputs, false);
      }
    }
    expect_product(GetParam(), kind, 203, 300, 70, false);
    // Several blocks of inputs; few rows in the last block of rows, and many.
    for (const int rows : {9, 40, 97, 98, 100, 110}) expect_product(GetParam(), kind, rows, 2100, 70, false);
    expect_product(GetParam(), kind, 2 * kTileRows + 9, 20, 33, false);
    expect_product(GetParam(), kind, 41, 50000, 3, false);  // so long that 32 rows are packed at a time
  }
}

TEST_P(Int8KernelsTest, NoRowsGiveNoOutputs) {
  std::mt19937 random(3);
  for (const Codes kind : {Codes::int8, Codes::int4}) {
    const Matrix w = some_matrix(kind, 64, 40, random, false);
    const Rows x = some_rows(1, 40, random, false);
    std::vector<float> y(64, -77);
    GetParam().linear(kind, x.view(), 0, w.panels.data(), 40, 64, y.data(), 64);
    EXPECT_EQ(y, std::vector<float>(64, -77)) << name_of(kind);
  }
}

// The largest sums that can occur, in each step of a set and as a whole.
TEST_P(Int8KernelsTest, ProductsOfTheLargestCodesDoNotSaturate) {
  for (const Codes kind : {Codes::int8, Codes::int4}) {
    for (const int rows : {1, 2, 6, 7, 8, 9}) expect_product(GetParam(), kind, rows, 768, 64, true);
  }
}

TEST_P(Int8KernelsTest, TheLongestSumFits) {
  for (const Codes kind : {Codes::int8, Codes::int4}) {
    const int K = kMostInputs;
    std::mt19937 random(1);
    Matrix w = some_matrix(kind, 1, K, random, true);
    for (const int rows : {1, 2, 8, 9}) {
      Rows x(rows, K);
      for (int r = 0; r < rows; ++r) {
        x.scales[r] = 1, x.sums[r] = 0;
        for (int k = 0; k < K; ++k)  // the sign of the weight, so that nothing cancels
          x.codes[r * x.width + k] = w.codes[k] < 0 ? -127 : 127, x.sums[r] += x.codes[r * x.width + k];
      }
      int64_t sum = 0;
      for (int k = 0; k < K; ++k) sum += int64_t(x.codes[k]) * w.codes[k];
      EXPECT_GT(sum, int64_t(1) << 30);
      std::vector<float> y(rows);
      GetParam().linear(kind, x.view(), rows, w.panels.data(), K, 1, y.data(), 1);
      for (const float own : y) EXPECT_EQ(own, static_cast<float>(sum) * w.scales[0]) << name_of(kind);
    }
  }
}

// Rows with Inf or NaN have the scale NaN.
TEST_P(Int8KernelsTest, ARowWithoutAScaleIsNaNAlone) {
  for (const Codes kind : {Codes::int8, Codes::int4}) {
    for (const int rows : {1, 8, 9}) {
      std::mt19937 random(3);
      const Matrix w = some_matrix(kind, 70, 100, random, false);
      Rows x = some_rows(rows, 100, random, false);
      const int lost = rows / 2;
      std::fill_n(&x.codes[lost * x.width], x.width, int8_t{0});
      x.sums[lost] = 0, x.scales[lost] = NAN;
      std::vector<float> y(rows * 70);
      GetParam().linear(kind, x.view(), rows, w.panels.data(), 100, 70, y.data(), 70);
      for (int i = 0; i < rows * 70; ++i) EXPECT_EQ(std::isnan(y[i]), i / 70 == lost) << name_of(kind) << " " << i;
    }
  }
}

// The tiles of the processor against their twin, with shapes that end within a tile in each direction.
TEST(Int8Tiles, HardwareGivesTheBitsOfTheTwin) {
  if (!test::usable(Int8Isa::amx)) GTEST_SKIP() << "this machine has no AMX tiles, or the system does not allow them";
  const Set twin = twin_of_tiles(), own{"amx", kernels_of(Int8Isa::amx)};
  std::mt19937 random(13);
  for (const Codes kind : {Codes::int8, Codes::int4}) {
    for (const int K : {31, 64, 384, 772, 3072}) {
      for (const int rows : {7, 16, 17, 32, 33, 65}) {
        constexpr int kOutputs = 150;
        const Matrix w = some_matrix(kind, kOutputs, K, random, false);
        const Rows x = some_rows(rows, K, random, false);
        std::vector<float> expected(size_t(rows) * kOutputs), y(expected.size());
        twin.linear(kind, x.view(), rows, w.panels.data(), K, kOutputs, expected.data(), kOutputs);
        own.linear(kind, x.view(), rows, w.panels.data(), K, kOutputs, y.data(), kOutputs);
        EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0) << rows << " rows, K " << K;
      }
    }
  }
}

// By kind of processor, whatever this one is.
TEST(Int8Isas, AutoTakesTheLastThatTheProcessorRuns) {
#ifndef GPT2RUN_CPU_X86
  GTEST_SKIP() << "this build has the portable kernels only";
#endif
  Processor p;
  const auto expect = [&](Int8Isa isa) {
    EXPECT_EQ(choose_int8_isa("auto", p), isa);
    EXPECT_TRUE(runs(isa, p));
    EXPECT_EQ(choose_int8_isa(kInt8IsaNames[static_cast<int>(isa)], p), isa);
    if (isa != Int8Isa::amx) {
      EXPECT_THROW(choose_int8_isa("amx", p), Error);
    }
  };
  expect(Int8Isa::portable);
  p.avx2 = true;
  expect(Int8Isa::avx2);
  p.avxvnni = true;
  expect(Int8Isa::avxvnni);
  p.avxvnni = false, p.avx512 = true, p.amx = true;  // tiles of BF16 alone do not help
  expect(Int8Isa::avx2);
  p.avx512vnni = true;
  expect(Int8Isa::avx512vnni);
  p.amx_int8 = true;
  expect(Int8Isa::amx);
  EXPECT_THROW(choose_int8_isa("avx512", p), Error);
}

// Every factor, zero point and code, at every place of a group.
TEST_P(Int8KernelsTest, ValuesAreScaleTimesCode) {
  for (const Codes kind : {Codes::int8, Codes::int4}) {
    for (const int K : {1, 33, 96, 100}) {
      std::mt19937 random(5);
      const Matrix w = some_matrix(kind, 2 * kPanel, K, random, false);
      std::vector<float> values(size_t(K) * kPanel);
      for (int first = 0; first < 2 * kPanel; first += kPanel) {
        kernels().values[static_cast<int>(kind)](w.panels.data() + first / kPanel * panel_bytes(kind, K), K,
                                                 values.data());
        for (int o = first; o < first + kPanel; ++o) {
          for (int k = 0; k < K; ++k)
            ASSERT_EQ(values[size_t(k) * kPanel + o - first], w.scales[o] * float(w.codes[size_t(o) * K + k]));
        }
      }
    }
  }
}

TEST_P(Int8KernelsTest, EveryInt4WeightIsUnpackedRight) {
  for (int factor = 1; factor <= 8; ++factor) {
    for (int zero = 0; zero < 16; ++zero) {
      std::vector<std::byte> panel(panel_bytes(Codes::int4, kGroupInputs));
      for (int o = 0; o < kPanel; ++o) {
        const float one = 1;
        std::memcpy(&panel[o * sizeof one], &one, sizeof one);
        panel[int4_group_at(o, 0)] = static_cast<std::byte>(Int4Group{factor, zero}.byte());
        for (int k = 0; k < kGroupInputs; ++k)
          panel[int4_at(o, k)] |= static_cast<std::byte>((k + o) % 16 << int4_shift(k));
      }
      std::vector<float> values(kGroupInputs * kPanel);
      kernels().values[static_cast<int>(Codes::int4)](panel.data(), kGroupInputs, values.data());
      for (int o = 0; o < kPanel; ++o) {
        for (int k = 0; k < kGroupInputs; ++k)
          ASSERT_EQ(values[k * kPanel + o], float(int4_weight({factor, zero}, (k + o) % 16))) << factor << " " << zero;
      }
    }
  }
}

void expect_quantised(const Int8Kernels& kernels, const std::vector<float>& row) {
  const int n = static_cast<int>(row.size());
  std::vector<int8_t> expected(n), own(n + 1, 55);
  const float scale = quantise_int8(row, expected.data());
  const uint32_t largest = kernels.largest(row.data(), n);
  ASSERT_EQ(largest, largest_magnitude(row));
  const float own_scale = int8_scale(largest);
  ASSERT_EQ(std::bit_cast<uint32_t>(own_scale), std::bit_cast<uint32_t>(scale));
  const int32_t sum = kernels.code(row.data(), n, inverse_scale(own_scale), own.data());
  ASSERT_EQ(own[n], 55) << "beyond the row";
  int32_t expected_sum = 0;
  for (int i = 0; i < n; ++i) {
    ASSERT_EQ(int(own[i]), int(expected[i])) << "element " << i << " of " << n << ", value " << row[i];
    expected_sum += expected[i];
  }
  ASSERT_EQ(sum, expected_sum);
}

TEST_P(Int8KernelsTest, QuantiserHasTheBitsOfTheContract) {
  std::mt19937 random(9);
  const float infinity = INFINITY;
  const float odd[] = {NAN,        infinity,  -infinity,       -0.0f, 0x1p-101f,
                       -0x1p-100f, 0x1p-149f, 0x1.fffffep127f, 63.5f, -63.5f};
  for (const int n : {1, 3, 16, 33, 100, 768}) {
    for (int trial = 0; trial < 50; ++trial) {
      std::vector<float> row(n);
      const int exponent = int(random() % 40) - 20;
      for (float& x : row) x = std::ldexp(float(int32_t(random())) * 0x1p-31f, exponent);
      expect_quantised(kernels(), row);
      for (float& x : row) x = std::ldexp(std::round(x), 0) + 0.5f;  // ties
      expect_quantised(kernels(), row);
      row[random() % n] = odd[trial % std::size(odd)];
      expect_quantised(kernels(), row);
    }
    for (const float x : odd) expect_quantised(kernels(), std::vector<float>(n, x));
    std::vector<float> halves(n);  // scale 1, so that every value lies between two codes
    for (int i = 0; i < n; ++i) halves[i] = float(i % 253 - 126) + 0.5f;
    halves[0] = 127;
    expect_quantised(kernels(), halves);
  }
}

// Values whose exact product with the inverse scale is nearer to one code, and which FP32 rounds to the middle of two,
// so that the even one is taken.
TEST_P(Int8KernelsTest, AProductIsRoundedBeforeItBecomesACode) {
  int found = 0;
  for (int trial = 0; trial < 64; ++trial) {
    const float largest = 1 + float(trial) / 64;
    std::vector<float> row = {largest};
    const float inverse = inverse_scale(int8_scale(std::bit_cast<uint32_t>(largest)));
    for (int code = 64; code < 126; ++code) {
      const float middle = float(code) + 0.5f;
      float x = std::nextafter(std::nextafter(middle / inverse, 0.0f), 0.0f);
      for (int i = 0; i < 5; ++i, x = std::nextafter(x, 2.0f)) {
        const double exact = double(x) * inverse;  // 48 bits
        if (static_cast<float>(exact) != middle || std::nearbyint(exact) == std::nearbyint(middle)) continue;
        row.push_back(x), row.push_back(-x);
        ++found;
      }
    }
    expect_quantised(kernels(), row);
  }
  EXPECT_GT(found, 100);
}

TEST_P(Int8KernelsTest, CachedKeysAndValuesAreScaleTimesCode) {
  std::mt19937 random(11);
  for (const int D : {1, 20, 64}) {
    std::vector<int8_t> codes(size_t(D) * kPanel);
    std::vector<float> scales(kPanel), keys(codes.size()), values(codes.size());
    for (int8_t& code : codes) code = static_cast<int8_t>(int(random() % 255) - 127);
    for (float& scale : scales) scale = float(random() % 1000);
    kernels().cached_keys(codes.data(), scales.data(), D, keys.data());
    kernels().cached_values(codes.data(), scales.data(), kPanel, D, values.data());
    for (int i = 0; i < D * kPanel; ++i) {
      ASSERT_EQ(keys[i], scales[i % kPanel] * float(codes[i]));
      ASSERT_EQ(values[i], scales[i / D] * float(codes[i]));
    }
  }
}

}  // namespace
}  // namespace gpt2run::cpu
