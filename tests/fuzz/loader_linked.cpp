// The loader that is linked into this program: each program with libFuzzer has one at most.
#include "fuzz/target.hpp"
#include "support/plugin.hpp"

extern "C" const gpt2run::Plugin gpt2run_plugin;

namespace gpt2run::fuzz {

std::unique_ptr<Loader> loader(const std::string& name) {
  static constexpr Host kSilent = {[](int, const char*) {}};
  require(name == gpt2run_plugin.name, "the program has the loader of its target");
  const test::PluginOptions options(gpt2run_plugin);
  return std::unique_ptr<Loader>(static_cast<Loader*>(gpt2run_plugin.create(options, kSilent)));
}

}  // namespace gpt2run::fuzz
