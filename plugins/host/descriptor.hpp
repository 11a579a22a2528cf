// The descriptor that a library exports, read and checked before any function of the plugin is called. (Opening the
// library has run its static constructors; that cannot be helped.)
#pragma once
#include <filesystem>

#include "host/discovery.hpp"

namespace gpt2run {

// Opens the library and checks symbol, ABI, tag, identity and option specs in this order. The result lives as long as
// the process. Throws Error with file and reason.
const Plugin& open_descriptor(const std::filesystem::path& file, const Identity& expected);

}  // namespace gpt2run
