// Precision `reference`: every rounding contract with sums in double, the oracle of all others.
#include "gpt2run/sdk/reference.hpp"

namespace {

using namespace gpt2run;

struct TypedReference : ReferenceOps {
  TypedReference(const Options& options, const Host&) {
    const std::string_view name = options.text("type");
    type = name == "fp16" ? Type::f16 : name == "bf16" ? Type::bf16 : Type::f32;
  }
  float round(Point, float x) const override { return round_to(type, x); }
  Type type;
};

constexpr OptionSpec kOptions[] = {{"type", "enum", "fp32", "fp32|bf16|fp16", "rounding contract"}};

}  // namespace

GPT2RUN_PLUGIN = gpt2run::precision_plugin<TypedReference>(
    "reference", "any rounding contract, plain loops, sums in double", kOptions);
