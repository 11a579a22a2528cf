// Shared libraries that are opened once and stay open until the process ends, because a plugin's objects, vtables and
// exceptions may outlive the code that opened it. May be used from any thread.
#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

namespace gpt2run {

// An object that a library exports.
struct Symbol {
  const void* address;
  size_t size;  // in bytes, according to the library's symbol table
};

// A handle to an open library.
class DynamicLibrary {
 public:
  // Opens a library. file: an absolute path. All symbols are resolved at once, and none become visible to other
  // libraries. Throws Error naming the file and the reason: that it is no shared library, or which library or symbol it
  // lacks.
  explicit DynamicLibrary(std::filesystem::path file);

  // A symbol that this file itself defines. Throws Error if it does not, even if a library that it links does.
  Symbol symbol(const char* name) const;

 private:
  std::filesystem::path file_;
  void* handle_;  // not owned
};

// Whether the system's dynamic linker finds a library of this name, which then stays open. If not, sets `reason`.
bool opens_system_library(const char* name, std::string& reason);

}  // namespace gpt2run
