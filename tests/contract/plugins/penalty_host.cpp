// Sampler penalty in host memory.
#include "penalty.hpp"

namespace {

using namespace gpt2run;

struct Penalty : Sampler {
  Penalty(const Options& options, const Host&) : penalty(static_cast<float>(options.real("penalty"))) {}
  void prepare(const LogitBatch& layout) override { seen.reserve(layout.vocab); }
  void sample(const LogitBatch& batch) override { test::penalize(batch, penalty, seen); }
  float penalty;
  std::vector<char> seen;
};

}  // namespace

GPT2RUN_PLUGIN = {kAbi,
                  kTag,
                  Kind::sampler,
                  Space::host,
                  false,
                  "penalty",
                  "1",
                  "repetition penalty",
                  test::kPenaltyOptions,
                  1,
                  runs_everywhere,
                  make<Sampler, Penalty>};
