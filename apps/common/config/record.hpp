// The parts that every record of a run begins with.
#pragma once
#include <string>

#include "common/config/config.hpp"
#include "common/config/manifest.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// A path keeps its meaning in another folder; a name like synthetic:124M stays as it is.
std::string lasting_path(const std::string& path);

// A plugin as it takes part: after binding.
RecordedPlugin recorded(const PluginHost& host, const BoundPlugin& chosen);

void record_program(Manifest& manifest);  // version, ABI, tag
void record_model(Manifest& manifest, const std::string& model, const Checkpoint& checkpoint);

}  // namespace gpt2run
