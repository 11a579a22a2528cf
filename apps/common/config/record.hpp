// Fills in the parts that every record of a run has: the program, the plugins and the model.
#pragma once
#include <string>

#include "common/config/config.hpp"
#include "common/config/manifest.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// The absolute path of a file or folder that exists, so that a manifest works from another folder. Anything else, such
// as synthetic:124M, stays as it is.
std::string absolute_path(const std::string& path);

// The record of a plugin whose options have been bound.
RecordedPlugin recorded(const PluginHost& host, const BoundPlugin& chosen);

// Sets the version, the ABI number and the standard library's tag.
void record_program(Manifest& manifest);
// Sets the model's path, hash and configuration.
void record_model(Manifest& manifest, const std::string& model, const Checkpoint& checkpoint);

}  // namespace gpt2run
