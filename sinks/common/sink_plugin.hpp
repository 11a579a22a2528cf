// The descriptor of a sink of this room.
#pragma once
#include <span>

#include "gpt2run/sink.hpp"

namespace gpt2run {

template <class S>
constexpr Plugin sink_plugin(const char* name, const char* summary, std::span<const OptionSpec> options = {}) {
  return {kAbi,
          kTag,
          Kind::sink,
          Space::host,
          false,
          name,
          "0.1.0",
          summary,
          options.data(),
          static_cast<uint32_t>(options.size()),
          runs_everywhere,
          make<Sink, S>};
}

}  // namespace gpt2run
