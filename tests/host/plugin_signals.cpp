// A sampler that leaves in the environment what the process would do at every signal while its code runs: when it is
// opened, in probe() and in create().
#include <cstdlib>

#include "gpt2run/plugin.hpp"
#include "gpt2run/sampler.hpp"
#include "host/signal_state.hpp"

namespace {

using namespace gpt2run::test;

struct AtOpen {
  AtOpen() { setenv(kSeenWhenOpened, signal_state().c_str(), 1); }
} at_open;

struct Watching final : gpt2run::Sampler {
  Watching(const gpt2run::Options&, const gpt2run::Host&) { setenv(kSeenInCreate, signal_state().c_str(), 1); }
  void sample(const gpt2run::LogitBatch&) override {}
};

gpt2run::Probe probe() {
  setenv(kSeenInProbe, signal_state().c_str(), 1);
  return gpt2run::runs_everywhere();
}

}  // namespace

GPT2RUN_PLUGIN = {.abi = gpt2run::kAbi,
                  .tag = gpt2run::kTag,
                  .kind = gpt2run::Kind::sampler,
                  .space = gpt2run::Space::host,
                  .selects = true,
                  .name = FIXTURE_NAME,
                  .version = "1",
                  .summary = "looks at the signals of the process",
                  .options = nullptr,
                  .option_count = 0,
                  .probe = probe,
                  .create = gpt2run::make<gpt2run::Sampler, Watching>};
