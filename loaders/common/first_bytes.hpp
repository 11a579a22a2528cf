// The beginning of a file, by which probe() knows its format.
#pragma once
#include <string>

namespace gpt2run::loaders {

// The first `most` bytes of a regular file, or fewer if it is shorter; none of anything else. Does not block or throw,
// unless memory ends.
std::string first_bytes(const std::string& path, size_t most);

}  // namespace gpt2run::loaders
