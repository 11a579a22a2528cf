// A shared library that is opened once and stays open until the process ends: objects, vtables and exceptions of a
// plugin may outlive whoever opened it. Any thread.
#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

namespace gpt2run {

// An object that a library exports.
struct Symbol {
  const void* address;
  size_t size;  // bytes, as the library's symbol table says
};

class DynamicLibrary {
 public:
  // file: absolute. All its symbols are resolved now and stay local. Throws Error with file and reason: not a shared
  // library, or which library or symbol it lacks.
  explicit DynamicLibrary(std::filesystem::path file);

  // A symbol that this very file defines: one found in a library that it links is not its own. Throws Error.
  Symbol symbol(const char* name) const;

 private:
  std::filesystem::path file_;
  void* handle_;  // not owned
};

// Whether the system's linker finds a library of that name, which then stays open. If not, reason says why.
bool opens_system_library(const char* name, std::string& reason);

}  // namespace gpt2run
