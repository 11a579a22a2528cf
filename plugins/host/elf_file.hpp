// What a 64-bit ELF library says about itself on disk, read without opening it as a library.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace gpt2run {

struct ElfFacts {
  std::vector<std::string> exported;   // global or weak symbols that the file defines, in the table's order
  std::vector<std::string> run_paths;  // entries of RPATH and RUNPATH
  std::vector<std::string> needed;     // libraries
  bool executable_stack = false;
};

// Throws Error unless the file is a 64-bit ELF library whose loaded parts are all there: the linker would map a copy
// that stopped half-way and die of it.
void check_elf(const std::filesystem::path& file);

// Throws Error with the file's name for anything that is not a little-endian 64-bit ELF library, or is cut short.
ElfFacts read_elf(const std::filesystem::path& file);

}  // namespace gpt2run
