// Helpers for the tests of the generation loop on the executor: samplers in either memory space, sessions of any type,
// and a chain that owns its samplers.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../../precisions/cuda/session.hpp"
#include "gpt2run/engine/generate.hpp"
#include "support/capture_sink.hpp"
#include "support/plugin.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {

inline constexpr auto kInvariant = cuda::Invariant::on;
inline const OptionValues kHot = {{"temp", "2"}, {"top_k", "0"}, {"top_p", "0.95"}};

inline const Plugin& sampler_plugin(const std::string& name, Space space) {
  if (space == Space::host) return load_plugin(Kind::sampler, name);
  return load_plugin_file(GPT2RUN_TEST_SAMPLERS "/gpt2run-sampler-" + name + ".test.so");
}

inline std::unique_ptr<Sampler> make_sampler(const std::string& name, Space space, const OptionValues& options = {}) {
  const Plugin& plugin = sampler_plugin(name, space);
  return std::unique_ptr<Sampler>(static_cast<Sampler*>(plugin.create(PluginOptions(plugin, options), kTestHost)));
}

// Opens a session on the device in the limits.
template <class Value>
std::unique_ptr<Session> open_session(const Checkpoint& checkpoint, const Limits& limits) {
  cuda::open_device(limits.device);
  return std::make_unique<cuda::CudaSession<Value>>(checkpoint, limits, Overflow::error, kInvariant, 0);
}

// A chain with its samplers. All but the last one change logits.
struct OwnedChain {
  OwnedChain(Space space, const std::vector<std::pair<std::string, OptionValues>>& parts) {
    for (const auto& [name, options] : parts) samplers.push_back(make_sampler(name, space, options));
    for (const auto& sampler : samplers) chain.samplers.push_back(sampler.get());
    chain.space = space, chain.changes_logits = parts.size() > 1;
  }
  OwnedChain(const OwnedChain&) = delete;

  std::vector<std::unique_ptr<Sampler>> samplers;
  Chain chain;
};

}  // namespace gpt2run::test
