// Where the tests of the host find the plugins made for them.
#pragma once
#include <filesystem>
#include <string>

#include "host/plugin_host.hpp"
#include "support/error_of.hpp"

namespace gpt2run::test {

inline std::filesystem::path fixture_folder(const std::string& name) {
  return std::filesystem::path(BINARY_DIR) / "tests/plugins" / name;
}

inline std::filesystem::path fixture_file(const std::string& name) {
  return fixture_folder(name) / ("gpt2run-sampler-" + name + ".so");
}

}  // namespace gpt2run::test
