// cuBLASLt itself: a missing library is named; where there is a device, its products are those of plain sums, the same
// for the same rows, whatever comes between.
#include <gtest/gtest.h>

#include <cmath>

#include "../../precisions/cuda/blaslt.hpp"
#include "gpt2run/cuda/runtime.hpp"
#include "gpt2run/numeric.hpp"
#include "gpt2run/random.hpp"

namespace gpt2run::test {
namespace {

std::string error_of(const char* file) {
  try {
    cuda::open_blaslt(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Blaslt, AMissingLibraryIsNamed) {
  const std::string said = error_of("libnothing-of-the-kind.so.1");
  EXPECT_EQ(said.rfind("expected libnothing-of-the-kind.so.1 for products of many rows, found none: ", 0), 0u) << said;
  EXPECT_NE(said.find("; invariant=prefill needs none"), std::string::npos) << said;
  EXPECT_NE(said.find("No such file"), std::string::npos) << said;
}

TEST(Blaslt, AnotherLibraryIsNamed) {
  EXPECT_EQ(error_of("libdl.so.2"), "libdl.so.2: expected the function cublasLtGetStatusString, found none");
}

// With every function that is used: all that can be seen without a device is that the next step is what fails.
TEST(Blaslt, TheLibraryOpens) {
  const std::string said = error_of(nullptr);
  if (said.rfind("expected libcublasLt.so.", 0) == 0) GTEST_SKIP() << said;
  EXPECT_TRUE(said == "no error" || said.rfind("no device memory", 0) == 0 ||
              said.rfind("cuBLASLt, opening the device: ", 0) == 0)
      << said;
}

std::vector<float> uniform(size_t count, uint64_t seed) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(random_bits(seed, 0, static_cast<int32_t>(i)) >> 40) * 0x1p-23f - 1;
  return values;
}

template <class Value>
cuda::Array<Value> on_device(const std::vector<float>& values, void* stream) {
  std::vector<Value> narrow;
  for (const float value : values) narrow.push_back(from_f32<Value>(value));
  cuda::Array<Value> array(narrow.size());
  cuda::upload(array.data(), narrow.data(), array.bytes(), stream);
  return array;
}

template <class Value>
void expect_products(cuda::Blaslt& library, Type type, void* stream) {
  constexpr int kInputs = 192, kOutputs = 100, kMost = 300, kStride = 112;
  const std::vector<float> in = uniform(kMost * kInputs, 1), weights = uniform(kOutputs * kInputs, 2),
                           bias = uniform(kOutputs, 3), before = uniform(kMost * kStride, 4);
  const auto device_in = on_device<Value>(in, stream), device_weights = on_device<Value>(weights, stream);
  const auto device_bias = on_device<float>(bias, stream);
  for (const int rows : {9, 16, 33, kMost, 33}) {
    for (const bool adds : {false, true}) {
      const auto out = on_device<float>(before, stream);
      const cuda::ManyRows product = {type,
                                      device_in.data(),
                                      device_weights.data(),
                                      adds ? device_bias.data() : nullptr,
                                      out.data(),
                                      rows,
                                      kOutputs,
                                      kInputs,
                                      kStride,
                                      adds};
      library.multiply(product, stream);
      std::vector<float> found(before.size());
      cuda::download(out.data(), found.data(), out.bytes(), stream);
      for (int r = 0; r < kMost; ++r) {
        for (int o = 0; o < kStride; ++o) {
          const float start = before[r * kStride + o];
          if (r >= rows || o >= kOutputs) {
            ASSERT_EQ(found[r * kStride + o], start) << "written beyond the product";
            continue;
          }
          double sum = adds ? start + bias[o] : 0, magnitude = std::abs(start) + std::abs(bias[o]);
          for (int k = 0; k < kInputs; ++k) {
            const double term = double(to_f32(from_f32<Value>(in[r * kInputs + k]))) *
                                to_f32(from_f32<Value>(weights[o * kInputs + k]));
            sum += term, magnitude += std::abs(term);
          }
          ASSERT_NEAR(found[r * kStride + o], sum, 0x1p-20 * magnitude) << rows << " rows, row " << r << ", " << o;
        }
      }
    }
  }
}

TEST(Blaslt, ProductsOnADevice) {
  const Probe probe = cuda::probe();
  if (probe.score == 0) GTEST_SKIP() << probe.reason;
  cuda::use_device(0);
  void* stream = cuda::make_stream();
  const auto library = cuda::open_blaslt();
  expect_products<float>(*library, Type::f32, stream);
  expect_products<f16>(*library, Type::f16, stream);
  expect_products<bf16>(*library, Type::bf16, stream);
  cuda::release_stream(stream);
}

}  // namespace
}  // namespace gpt2run::test
