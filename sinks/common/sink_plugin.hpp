// The descriptor of gpt2run's own sinks.
#pragma once
#include <span>

#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

template <class S>
constexpr Plugin sink_plugin(const char* name, const char* summary, std::span<const OptionSpec> options = {}) {
  return host_plugin<Sink, S>(Kind::sink, false, name, "0.1.0", summary, options);
}

}  // namespace gpt2run
