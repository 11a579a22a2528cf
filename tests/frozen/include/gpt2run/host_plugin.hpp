// The descriptor of a plugin in host memory that runs everywhere.
#pragma once
#include <span>

#include "gpt2run/plugin.hpp"

namespace gpt2run {

// T is created as a Base, which is the one of `kind`. selects: as Plugin::selects. options: a constant of the program.
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
