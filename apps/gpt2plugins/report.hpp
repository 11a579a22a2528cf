// The text output of gpt2plugins.
#pragma once
#include <string>
#include <vector>

#include "host/listing.hpp"

namespace gpt2run {

// A table of the plugins in each folder, then the files that are shadowed and those that were rejected by their names.
std::string to_table(const PluginHost&, const std::vector<PluginReport>&);

// A page about one plugin with its options, or with the reason why it was refused.
std::string to_page(const PluginReport&);

}  // namespace gpt2run
