// A sampler that throws an exception which is no Error when it is used, as a plugin with a fault would.
#include <stdexcept>

#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sampler.hpp"

namespace {

struct Broken final : gpt2run::Sampler {
  Broken(const gpt2run::Options&, const gpt2run::Host&) {}
  void sample(const gpt2run::LogitBatch&) override { throw std::runtime_error("this sampler is broken"); }
};

}  // namespace

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Sampler, Broken>(gpt2run::Kind::sampler, true, "broken", "1",
                                                                "throws when it is used");
