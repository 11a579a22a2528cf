// Precision frozen: the contract of BF16.
#include "gpt2run/sdk/reference.hpp"

namespace gpt2run {
namespace {

struct Frozen : ReferenceOps {
  using ReferenceOps::ReferenceOps;
  float round(Point, float x) const override { return round_to(Type::bf16, x); }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::precision_plugin<gpt2run::Frozen>("frozen", "BF16 inputs of every product");
