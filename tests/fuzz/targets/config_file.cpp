// The file of --config: an INI file, or the manifest of a run.
#include "fuzz/options_under_test.hpp"
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kConfigFile("config_file", [](std::string_view bytes) {
  static Files files({"run"});
  files.write("run", bytes);
  configure({"--config", files.path("run")});
});

}  // namespace
}  // namespace gpt2run::fuzz
