// How gpt2plugins shows plugins to a person.
#pragma once
#include <string>
#include <vector>

#include "host/listing.hpp"

namespace gpt2run {

// By folder, one row a plugin in columns; then the shadowed files and those that cannot be plugins.
std::string to_table(const PluginHost&, const std::vector<PluginReport>&);

// A plugin with its options in columns, or why it was refused.
std::string to_page(const PluginReport&);

}  // namespace gpt2run
