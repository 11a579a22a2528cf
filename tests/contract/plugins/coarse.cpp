// A precision of one's own: every rounding point keeps steps of 1/256.
#include <cmath>

#include "gpt2run/sdk/reference.hpp"

namespace {

struct Coarse : gpt2run::ReferenceOps {
  using ReferenceOps::ReferenceOps;
  float round(gpt2run::Point, float x) const override { return std::round(x * 256) / 256; }
};

}  // namespace

GPT2RUN_PLUGIN = gpt2run::precision_plugin<Coarse>("coarse", "values in steps of 1/256");
