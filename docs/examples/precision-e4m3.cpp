// Precision my-e4m3: the inputs of every product are FP8 E4M3 (Micikevicius et al. 2022: 4 bits of exponent, 3 of
// fraction, at most 448, no infinity). They are rounded to nearest, ties to even, and larger values become 448, as in
// hardware.
#include <algorithm>
#include <cmath>

#include "gpt2run/sdk/reference.hpp"

namespace {

struct MyE4m3Precision : gpt2run::ReferenceOps {
  using ReferenceOps::ReferenceOps;
  float round(gpt2run::Point, float x) const override {
    if (std::isnan(x)) return x;
    const float magnitude = std::min(std::abs(x), 448.0f);
    int exponent;  // magnitude is in [2^(exponent - 1), 2^exponent)
    std::frexp(magnitude, &exponent);
    const float step = std::ldexp(1.0f, std::max(exponent - 4, -9));  // 2^-9 is the smallest subnormal
    return std::copysign(std::nearbyint(magnitude / step) * step, x);
  }
};

}  // namespace

GPT2RUN_PLUGIN =
    gpt2run::precision_plugin<MyE4m3Precision>("my-e4m3", "FP8 E4M3 inputs of every product, sums in double");
