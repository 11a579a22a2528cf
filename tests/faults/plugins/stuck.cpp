// A sampler that never returns, as one with a fault would.
#include <unistd.h>

#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sampler.hpp"

namespace {

struct Stuck final : gpt2run::Sampler {
  Stuck(const gpt2run::Options&, const gpt2run::Host&) {}
  void sample(const gpt2run::LogitBatch&) override {
    while (true) usleep(10'000);
  }
};

}  // namespace

GPT2RUN_PLUGIN =
    gpt2run::host_plugin<gpt2run::Sampler, Stuck>(gpt2run::Kind::sampler, true, "stuck", "1", "never returns");
