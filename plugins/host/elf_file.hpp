// Reads facts about a 64-bit ELF library from its file, without loading it.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace gpt2run {

// What a library's file tells.
struct ElfFacts {
  std::vector<std::string> exported;   // global and weak symbols that it defines, in the order of the symbol table
  std::vector<std::string> run_paths;  // entries of RPATH and RUNPATH
  std::vector<std::string> needed;     // names of the libraries that it links
  bool executable_stack = false;
};

// Throws Error unless the file is a 64-bit ELF library for this kind of processor whose loaded segments are complete.
// The dynamic linker would map a truncated file and crash.
void check_elf(const std::filesystem::path& file);

// Reads the facts. Throws Error naming the file if it is not a little-endian 64-bit ELF library, or is truncated. Reads
// those of every processor.
ElfFacts read_elf(const std::filesystem::path& file);

}  // namespace gpt2run
