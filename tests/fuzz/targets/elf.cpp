// The file of a plugin, read without loading it.
#include "fuzz/target.hpp"
#include "host/elf_file.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kElf("elf", [](std::string_view bytes) {
  static Files files({"plugin.so"});
  files.write("plugin.so", bytes);
  check_elf(files.path("plugin.so"));
  read_elf(files.path("plugin.so"));
});

}  // namespace
}  // namespace gpt2run::fuzz
