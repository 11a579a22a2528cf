// Precision `reference`: every rounding contract with sums in double. All other precisions are compared with it.
#include "gpt2run/sdk/reference.hpp"

namespace {

using namespace gpt2run;

struct TypedReference : ReferenceOps {
  TypedReference(const Options& options, const Host&) {
    for (const Type one : {Type::f32, Type::f16, Type::bf16})
      if (options.text("type") == name_of(one)) type = one;
  }
  float round(Point, float x) const override { return round_to(type, x); }
  const char* contract() const override { return contract_of(type); }
  Type type = Type::f32;
};

constexpr OptionSpec kOptions[] = {{"type", "enum", "fp32", "fp32|bf16|fp16", "rounding contract"}};

}  // namespace

GPT2RUN_PLUGIN = gpt2run::precision_plugin<TypedReference>(
    "reference", "any rounding contract, plain loops, sums in double", kOptions);
