// The products of few rows have exactly the documented order of sums, for any number of lines, outputs and rows.
#include <gtest/gtest.h>

#include "../../precisions/cuda/logits.cuh"
#include "../../precisions/cuda/sinks.cuh"
#include "executor/executor.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"
#include "gpt2run/sdk/random.hpp"

namespace gpt2run::test {
namespace {

constexpr int kOutputs = 21, kMostRows = 9;  // neither fills its last block
constexpr int kEmpty = 3;                    // rows before the first row of the range

// Values of the type in [-1, 1).
template <class Value>
std::vector<Value> some_values(size_t count, uint64_t seed) {
  std::vector<Value> values;
  for (size_t i = 0; i < count; ++i)
    values.push_back(
        from_f32<Value>(static_cast<float>(random_bits(seed, 0, static_cast<int32_t>(i)) >> 40) * 0x1p-23f - 1));
  return values;
}

// The sum in the order of a butterfly exchange: the upper half is added to the lower half, repeatedly.
float butterfly(std::vector<float> sums) {
  for (size_t half = sums.size() / 2; half > 0; half /= 2)
    for (size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  return sums[0];
}

// The product of the inputs with the weights of one output. Each lane has four sums over every `split`-th line; these
// are added, then the sums of eight lanes, then the warps in pairs.
template <class Value>
float expected_product(const Value* in, const Value* weights, int width, int split) {
  constexpr int kVector = cuda::kVector<Value>;
  std::vector<float> warps;
  for (int warp = 0; warp < split; ++warp) {
    std::vector<float> lanes;
    for (int lane = 0; lane < cuda::kLanes; ++lane) {
      float parts[4] = {};
      for (int k = warp * cuda::kLine<Value> + lane * kVector; k < width; k += split * cuda::kLine<Value>)
        for (int i = 0; i < kVector; ++i)
          parts[i % 4] = std::fma(to_f32(in[k + i]), to_f32(weights[k + i]), parts[i % 4]);
      lanes.push_back((parts[0] + parts[1]) + (parts[2] + parts[3]));
    }
    warps.push_back(butterfly(lanes));
  }
  return split == 1 ? warps[0] : (warps[0] + warps[1]) + (warps[2] + warps[3]);
}

template <class Value>
class Product : public testing::Test {
 protected:
  void TearDown() override { executor::configure({}); }
  void prepare(int lines, int outputs = kOutputs) {
    width = lines * cuda::kLine<Value>;
    in = some_values<Value>(size_t(kEmpty + kMostRows) * width, 1);
    weights = some_values<Value>(size_t(outputs) * width, 2);
    matrix = {weights.data(), outputs, width};
  }
  float expected(int row, int output, int split) const {
    return expected_product(&in[size_t(row) * width], &weights[size_t(output) * width], width, split);
  }

  int width = 0;
  std::vector<Value> in, weights;
  cuda::DeviceMatrix<Value> matrix = {};
};
using Types = testing::Types<float, f16, bf16>;
TYPED_TEST_SUITE(Product, Types);

// Numbers of lines that leave every remainder after a thread's full batches, for one warp and for four.
constexpr int kLineCounts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 20, 23, 24, 25, 31, 37, 48, 50, 53};

TYPED_TEST(Product, HasTheBitsOfItsOrder) {
  for (const int lines : kLineCounts) {
    this->prepare(lines);
    for (int rows = 1; rows <= kMostRows; ++rows) {
      std::vector<float> out(size_t(kEmpty + kMostRows) * kOutputs, -1.0f);
      cuda::product<1>("product", this->matrix, cuda::PlainRows<TypeParam>{this->in.data(), this->width},
                       cuda::LogitSink{out.data(), nullptr, kOutputs}, {kEmpty, rows, false}, nullptr);
      for (int row = 0; row < kEmpty + kMostRows; ++row)
        for (int output = 0; output < kOutputs; ++output)
          ASSERT_EQ(out[row * kOutputs + output],
                    row < kEmpty || row >= kEmpty + rows ? -1.0f : this->expected(row, output, 1))
              << lines << " lines, row " << row << " of " << rows << ", output " << output;
    }
  }
}

// The head's product, by blocks that go from outputs to outputs: as many blocks as the device runs at once, and no
// more than there are outputs for.
TYPED_TEST(Product, LogitsHaveTheBitsOfTheirOrderWhateverBlocksThereAre) {
  constexpr int kSome = 3 * cuda::kLogitOutputs + 5;
  std::vector<std::array<int, 3>> cases;  // lines, rows, blocks at once
  for (const int lines : {1, 2, 3, 4, 7, 9, 12, 13, 26, 50})
    for (const int rows : {1, 2, 3, 9}) cases.push_back({lines, rows, 1});
  for (const int blocks : {2, 3, 4, 100})
    for (const int rows : {1, 8}) cases.push_back({14, rows, blocks});
  for (const auto& [lines, rows, blocks] : cases) {
    this->prepare(lines, kSome);
    executor::configure({.at_once = blocks});
    std::vector<float> out(size_t(kEmpty + kMostRows) * kSome, -1.0f), raw = out;
    cuda::logits(this->matrix, cuda::PlainRows<TypeParam>{this->in.data(), this->width},
                 cuda::LogitSink{out.data(), raw.data(), kSome}, {kEmpty, rows, false}, nullptr);
    EXPECT_EQ(raw, out);
    for (int row = 0; row < kEmpty + kMostRows; ++row)
      for (int output = 0; output < kSome; ++output)
        ASSERT_EQ(out[row * kSome + output],
                  row < kEmpty || row >= kEmpty + rows ? -1.0f : this->expected(row, output, 1))
            << lines << " lines, row " << row << " of " << rows << ", output " << output << ", " << blocks << " blocks";
  }
}

// With a bias, and added to old values.
TYPED_TEST(Product, SharedByFourWarpsHasTheBitsOfItsOrder) {
  const std::vector<float> bias = some_values<float>(kOutputs, 3),
                           before = some_values<float>(size_t(kEmpty + kMostRows) * kOutputs, 4);
  for (const int lines : kLineCounts) {
    this->prepare(lines);
    for (int rows = 1; rows <= kMostRows; ++rows) {
      std::vector<float> x = before;
      cuda::product<cuda::kProductWarps>(
          "product", this->matrix, cuda::PlainRows<TypeParam>{this->in.data(), this->width},
          cuda::AddSink{bias.data(), x.data(), kOutputs}, {kEmpty, rows, false}, nullptr);
      for (int row = 0; row < kEmpty + kMostRows; ++row) {
        for (int output = 0; output < kOutputs; ++output) {
          const int at = row * kOutputs + output;
          const bool inside = row >= kEmpty && row < kEmpty + rows;
          ASSERT_EQ(x[at], inside ? before[at] + (this->expected(row, output, 4) + bias[output]) : before[at])
              << lines << " lines, row " << row << " of " << rows << ", output " << output;
        }
      }
    }
  }
}

// The layernorm of up to two rows is computed by every block, that of more by a kernel in front: with the same bits.
TYPED_TEST(Product, NormedRowsHaveTheBitsThatEachHasAlone) {
  this->prepare(3);
  const int C = this->width - 5, stride = cuda::padded_to_vector<float>(C), all = kEmpty + kMostRows;
  const std::vector<float> x = some_values<float>(size_t(all) * stride, 5), gain = some_values<float>(C, 6),
                           bias = some_values<float>(C, 7);
  const auto products = [&](int first, int rows, int64_t kernels) {
    std::vector<cuda::RowStatistics> statistics(all, {std::nan(""), std::nan("")});
    std::vector<float> out(size_t(all) * kOutputs, -1.0f);
    const cuda::NormedRows<TypeParam> source = {x.data(), gain.data(), bias.data(), nullptr,          C,
                                                stride,   this->width, 1e-5f,       statistics.data()};
    const int64_t before = executor::counts().launches;
    cuda::product<1>("product", this->matrix, source, cuda::LogitSink{out.data(), nullptr, kOutputs},
                     {first, rows, false}, nullptr);
    EXPECT_EQ(executor::counts().launches - before, kernels) << rows << " rows";
    return out;
  };
  std::vector<float> expected(size_t(all) * kOutputs, -1.0f);
  for (int row = kEmpty; row < all; ++row) {
    const std::vector<float> alone = products(row, 1, 1);
    std::copy_n(&alone[row * kOutputs], kOutputs, &expected[row * kOutputs]);
  }
  for (int rows = 1; rows <= kMostRows; ++rows) {
    const std::vector<float> found = products(kEmpty, rows, rows <= 2 ? 1 : 2);
    for (int i = 0; i < (kEmpty + rows) * kOutputs; ++i)
      ASSERT_EQ(found[i], expected[i]) << rows << " rows, row " << i / kOutputs << ", output " << i % kOutputs;
  }
}

// On a dependent stream the executor hides all device memory but the weights until the kernel has waited for the kernel
// in front.
TYPED_TEST(Product, ReadsOnlyWeightsBeforeTheKernelInFrontHasEnded) {
  using Value = TypeParam;
  this->prepare(14);
  const int width = this->width, C = width - 3;
  const auto on_device = [](const auto& values) {
    cuda::Array<std::decay_t<decltype(values[0])>> array(values.size());
    std::copy(values.begin(), values.end(), array.data());
    return array;
  };
  const auto weights = on_device(this->weights), in = on_device(this->in);
  const auto gain = on_device(some_values<float>(width, 5)), shift = on_device(some_values<float>(width, 6));
  const auto x = on_device(some_values<float>(size_t(kMostRows) * width, 7));
  const cuda::Array<cuda::RowStatistics> statistics(kMostRows);
  const auto index = on_device(std::vector<int32_t>{4, 0, 3, 1, 2, 8, 7, 6, 5});
  cuda::set_read_only(weights.data()), cuda::set_read_only(gain.data()), cuda::set_read_only(shift.data());
  const cuda::DeviceMatrix<Value> matrix = {weights.data(), kOutputs, width};
  const cuda::NormedRows<Value> normed = {x.data(), gain.data(), shift.data(), index.data(),     C,
                                          width,    width,       1e-5f,        statistics.data()};
  const auto run = [&](int rows, bool dependent) {
    const auto added = on_device(some_values<float>(size_t(kMostRows) * kOutputs, 8)),
               bias = on_device(some_values<float>(kOutputs, 9));
    const cuda::Array<float> logits(size_t(kMostRows) * kOutputs);
    void* const stream = cuda::make_stream();
    const cuda::KernelStream kernels(stream, dependent);
    const cuda::Array<float> walked(logits.size());
    cuda::product<1>("product", matrix, normed, cuda::LogitSink{logits.data(), nullptr, kOutputs}, {0, rows, false},
                     kernels);
    cuda::logits(matrix, normed, cuda::LogitSink{walked.data(), nullptr, kOutputs}, {0, rows, false}, kernels);
    cuda::product<cuda::kProductWarps>("product", matrix, cuda::PlainRows<Value>{in.data(), width},
                                       cuda::AddSink{bias.data(), added.data(), kOutputs}, {0, rows, false}, kernels);
    cuda::wait(stream);
    cuda::release_stream(stream);
    std::vector<float> out(logits.data(), logits.data() + rows * kOutputs);
    EXPECT_EQ(std::vector<float>(walked.data(), walked.data() + rows * kOutputs), out) << rows;
    out.insert(out.end(), added.data(), added.data() + rows * kOutputs);
    return out;
  };
  for (const int rows : {1, 2, 4, 8}) {
    const std::vector<float> expected = run(rows, false);
    for (const float value : expected) ASSERT_TRUE(std::isfinite(value));
    EXPECT_EQ(run(rows, true), expected) << rows;
  }
}

}  // namespace
}  // namespace gpt2run::test
