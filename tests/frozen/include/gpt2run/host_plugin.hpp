// host_plugin(), which makes the descriptor of a plugin that works in host memory and runs everywhere.
#pragma once
#include <span>

#include "gpt2run/plugin.hpp"

namespace gpt2run {

// T: the class that the plugin creates, derived from Base, which is the interface of `kind`. selects: as
// Plugin::selects. options: an array that lives as long as the program.
template <class Base, class T>
constexpr Plugin host_plugin(Kind kind, bool selects, const char* name, const char* version, const char* summary,
                             std::span<const OptionSpec> options = {}) {
  return {kAbi,
          kTag,
          kind,
          Space::host,
          selects,
          name,
          version,
          summary,
          options.data(),
          static_cast<uint32_t>(options.size()),
          runs_everywhere,
          make<Base, T>};
}

}  // namespace gpt2run
