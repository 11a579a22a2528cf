// Where the demo model's vocabulary is.
#pragma once
#include <filesystem>

namespace gpt2run::test {

inline std::filesystem::path demo_folder() { return std::filesystem::path(SOURCE_DIR) / "models/demo"; }

}  // namespace gpt2run::test
