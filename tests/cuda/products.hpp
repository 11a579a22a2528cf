// Products of many rows compared with sums in double. It is used for cuBLASLt on a device and for its substitute on the
// executor.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <tuple>

#include "../../precisions/cuda/gemm.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/random.hpp"
#include "precisions/lockstep.hpp"

namespace gpt2run::test {

inline std::vector<float> uniform(size_t count, uint64_t seed) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(random_bits(seed, 0, static_cast<int32_t>(i)) >> 40) * 0x1p-23f - 1;
  return values;
}

template <class Value>
std::vector<Value> narrowed(const std::vector<float>& values) {
  std::vector<Value> narrow;
  for (const float value : values) narrow.push_back(from_f32<Value>(value));
  return narrow;
}

template <class Value>
cuda::Array<Value> on_device(const std::vector<float>& values, void* stream) {
  const std::vector<Value> narrow = narrowed<Value>(values);
  cuda::Array<Value> array(narrow.size());
  cuda::upload(array.data(), narrow.data(), array.bytes(), stream);
  return array;
}

// A product's inputs and weights in the type, its bias, and the old values of `out`: (rows, stride), with a gap after
// the outputs.
template <class Value>
class Products {
 public:
  static constexpr int kInputs = 192, kOutputs = 101, kStride = 112;  // kOutputs is odd, as a vocabulary may be
  static constexpr int kFused = 100;  // outputs of products that are written in the type

  Products(cuda::Gemm& library, Type type, int most, void* stream)
      : library_(library), type_(type), most_(most), stream_(stream) {
    for (int k = 0; k < kInputs; ++k) in_[k] *= 0x1p15f;  // the first row's products overflow FP16
    device_in_ = on_device<Value>(in_, stream), device_weights_ = on_device<Value>(weights_, stream);
  }

  // Tests FP32 sums, plain, and with a bias added to old values. For types that round, it also tests the library's own
  // bias and GELU.
  void expect_all() {
    for (const int rows : {9, 16, 33, most_, 33})
      for (const bool adds : {false, true}) expect_sums(rows, adds);
    if (type_ == Type::f32) return;
    for (const int rows : {9, most_, 9})
      for (const bool gelu : {false, true}) expect_fused(rows, gelu);
  }

 private:
  struct Sum {
    double value, magnitude;  // the sum, and the sum of |a b|; both include the bias
  };

  Sum sum_of(int row, int output, bool biased) const {
    const double bias = biased ? to_f32(from_f32<Value>(bias_[output])) : 0;
    Sum sum = {bias, std::abs(bias)};
    for (int k = 0; k < kInputs; ++k) {
      const double term = double(to_f32(from_f32<Value>(in_[row * kInputs + k]))) *
                          to_f32(from_f32<Value>(weights_[output * kInputs + k]));
      sum.value += term, sum.magnitude += std::abs(term);
    }
    return sum;
  }

  // Returns `out` (most, kStride) after the product. Fails if the gaps have changed. Stored: the type of `out`.
  template <class Stored>
  std::vector<float> written(int rows, int outputs, bool biased, bool adds, bool gelu) {
    const auto bias = on_device<Stored>(rounded_bias(), stream_), out = on_device<Stored>(before_, stream_);
    const Type out_type = sizeof(Stored) == sizeof(float) ? Type::f32 : type_;
    library_.multiply({type_, device_in_.data(), device_weights_.data(), biased ? bias.data() : nullptr, out.data(),
                       rows, outputs, kInputs, kStride, adds, out_type, gelu},
                      stream_);
    std::vector<Stored> found(before_.size());
    cuda::download(out.data(), found.data(), out.bytes(), stream_);
    std::vector<float> values;
    for (size_t i = 0; i < found.size(); ++i) {
      values.push_back(to_f32(found[i]));
      const bool inside = static_cast<int>(i) / kStride < rows && static_cast<int>(i) % kStride < outputs;
      if (!inside && values[i] != to_f32(from_f32<Stored>(before_[i])))
        ADD_FAILURE() << "written beyond the product: " << i / kStride << ", " << i % kStride;
    }
    const auto [first, fresh] = first_.try_emplace({rows, out_type, biased, gelu}, values);
    EXPECT_TRUE(fresh || first->second == values) << rows << " rows once more have other bits";
    return values;
  }

  std::vector<float> rounded_bias() const {
    std::vector<float> rounded;
    for (const float value : bias_) rounded.push_back(to_f32(from_f32<Value>(value)));
    return rounded;
  }

  void expect_sums(int rows, bool adds) {
    const std::vector<float> found = written<float>(rows, kOutputs, adds, adds, false);
    for (int r = 0; r < rows; ++r) {
      for (int o = 0; o < kOutputs; ++o) {
        const double start = adds ? before_[r * kStride + o] : 0;
        const Sum sum = sum_of(r, o, adds);
        ASSERT_NEAR(found[r * kStride + o], start + sum.value, 0x1p-20 * (sum.magnitude + std::abs(start)))
            << rows << " rows, row " << r << ", " << o;
      }
    }
  }

  // Values may be off by one rounding (half a unit of the type) and by the error of FP32 sums in another order, which
  // GELU enlarges at most 1.13 times. GELU's tanh may have the relative error 2^-11 of the instruction tanh.approx.f32,
  // which adds 2^-12 |x|.
  void expect_fused(int rows, bool gelu) {
    const std::vector<float> found = written<Value>(rows, kFused, true, false, gelu);
    int equal = 0, infinite = 0;
    double worst = 0, along = 0, squares = 0;
    for (int r = 0; r < rows; ++r) {
      for (int o = 0; o < kFused; ++o) {
        const Sum x = sum_of(r, o, true);
        const double expected = gelu ? gelu_of(x.value) : x.value, own = found[r * kStride + o];
        const float nearest = round_to(type_, static_cast<float>(expected));
        equal += nearest == own, infinite += std::isinf(nearest);
        if (gelu && x.value <= 0 && r > 0) {  // below 0 the forms of GELU differ by many units of the type
          const double apart = 0.5 * x.value * (1 + std::erf(x.value * std::sqrt(0.5))) - expected;
          along += (own - expected) * apart, squares += apart * apart;
        }
        if (nearest == own) continue;
        ASSERT_TRUE(std::isfinite(own)) << rows << " rows, row " << r << ", " << o << ", sum " << x.value;
        const double allowed = unit_of(type_, std::max(std::abs(own), std::abs(expected))) / 2 +
                               1.13 * 0x1p-20 * x.magnitude + (gelu ? 0x1p-12 * std::abs(x.value) : 0);
        ASSERT_LE(std::abs(own - expected), allowed) << rows << " rows, row " << r << ", " << o << ", sum " << x.value;
        worst = std::max(worst, std::abs(own - expected) / allowed);
      }
    }
    EXPECT_EQ(infinite > 0, type_ == Type::f16) << "a row of inputs is made to go beyond FP16";
    if (gelu) {
      EXPECT_LT(std::abs(along / squares), 0.5) << "0 is the tanh form, 1 is the one with erf";
    } else {
      EXPECT_GE(equal, 0.99 * rows * kFused) << "rounded once, after the bias";
    }
    std::printf("%s, %d rows, %s: %.4f as rounded once, worst %.3g of the allowed error\n", name_of(type_), rows,
                gelu ? "bias and GELU" : "bias", double(equal) / (rows * kFused), worst);
  }

  static double gelu_of(double x) { return gelu(x); }

  cuda::Gemm& library_;
  Type type_;
  int most_;
  void* stream_;
  std::vector<float> in_ = uniform(size_t(most_) * kInputs, 1), weights_ = uniform(kOutputs * kInputs, 2),
                     bias_ = uniform(kOutputs, 3), before_ = uniform(size_t(most_) * kStride, 4);
  cuda::Array<Value> device_in_, device_weights_;
  std::map<std::tuple<int, Type, bool, bool>, std::vector<float>> first_;  // result of the first product of each kind
};

// most: rows of the largest product, at least 33.
inline void expect_products(int most) {
  void* stream = cuda::make_stream();
  {
    const auto library = cuda::open_gemm();
    Products<float>(*library, Type::f32, most, stream).expect_all();
    Products<f16>(*library, Type::f16, most, stream).expect_all();
    Products<bf16>(*library, Type::bf16, most, stream).expect_all();
  }
  cuda::release_stream(stream);
}

}  // namespace gpt2run::test
