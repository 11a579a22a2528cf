// The loaders as plugins of this build.
#include "fuzz/target.hpp"
#include "support/plugin.hpp"

namespace gpt2run::fuzz {

std::unique_ptr<Loader> loader(const std::string& name) { return test::make_plugin<Loader>(Kind::loader, name); }

}  // namespace gpt2run::fuzz
