// Reads the descriptor that a plugin exports, and checks it before any function of the plugin is called. Opening the
// library has run its static constructors by then, which cannot be avoided.
#pragma once
#include <filesystem>

#include "host/discovery.hpp"

namespace gpt2run {

// Opens the library and checks symbol, ABI, tag, identity and option specs, in this order. The result stays valid until
// the process ends. Throws Error naming the file and the reason.
const Plugin& open_descriptor(const std::filesystem::path& file, const Identity& expected);

}  // namespace gpt2run
