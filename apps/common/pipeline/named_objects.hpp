// Samplers and sinks whose exceptions carry the name of their plugin. An Error passes through, because its text says
// what it is about; anything else that a plugin throws becomes an Error with the plugin and what it was asked.
#pragma once
#include <memory>
#include <string>

#include "gpt2run/sampler.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

// owner: the plugin, such as "sampler nucleus".
std::unique_ptr<Sampler> with_name(std::unique_ptr<Sampler> sampler, std::string owner);
std::unique_ptr<Sink> with_name(std::unique_ptr<Sink> sink, std::string owner);

}  // namespace gpt2run
