// Opens libraries by Boost.DLL, which only this file uses, and turns the linker's messages into reasons.
#include "host/dynamic_library.hpp"

#define BOOST_DLL_USE_STD_FS
#include <dlfcn.h>
#include <link.h>

#include <boost/dll/shared_library.hpp>
#include <exception>
#include <map>
#include <mutex>
#include <system_error>

#include "gpt2run/error.hpp"
#include "host/elf_file.hpp"

namespace gpt2run {
namespace {

using boost::dll::shared_library;
using boost::dll::load_mode::rtld_local;
using boost::dll::load_mode::rtld_now;

// Extracts the linker's message from that of Boost: "... (dlerror system message: TEXT): Bad file descriptor".
std::string linker_text(const std::string& what) {
  const std::string before = "dlerror system message: ";
  const size_t from = what.find(before);
  if (from == std::string::npos) return what;
  return what.substr(from + before.size(), what.rfind("): ") - from - before.size());
}

// A readable reason for a linker's message, which begins with the file at fault: this one, or a library that it needs.
std::string reason_of(const std::string& text, const std::filesystem::path& file) {
  const std::string missing = ": cannot open shared object file", undefined = "undefined symbol: ";
  const std::string library = text.substr(0, text.find(missing));
  if (library != text && library != file.string()) return "it needs the library " + library + ", which is not found";
  if (const size_t at = text.find(undefined); at != text.npos) {
    const size_t from = at + undefined.size();
    return "it needs the symbol " + text.substr(from, text.find_first_of(", (", from) - from) +
           ", which no library defines";
  }
  const std::string self = file.string() + ": ";
  return "not a shared library that can be opened: " + (text.starts_with(self) ? text.substr(self.size()) : text);
}

// Opens a library, or returns the one that is open. The map is never destroyed, so that nothing is unloaded and leak
// checkers still find the libraries.
shared_library& keep(const std::filesystem::path& file) {
  static std::mutex mutex;
  static auto& open = *new std::map<std::filesystem::path, shared_library>;
  const std::lock_guard guard(mutex);
  const auto found = open.find(file);
  if (found != open.end()) return found->second;
  return open.emplace(file, shared_library(file, rtld_now | rtld_local)).first->second;
}

// Opens a library, or returns the linker's message. What the library itself throws when it is opened comes through the
// linker, whose state is then unknown. So such a library ends the process here, and is named as one that crashes when
// it is opened. With GCC 12 `noexcept` would end it without the exception, whose text could then not be reported.
std::string try_to_open(const std::filesystem::path& file, void*& handle) {
  try {
    handle = keep(file).native();
    return {};
  } catch (const std::system_error& error) {
    return linker_text(error.what());
  } catch (...) {
    std::terminate();
  }
}

}  // namespace

DynamicLibrary::DynamicLibrary(std::filesystem::path file) : file_(std::move(file)), handle_(nullptr) {
  if (!file_.is_absolute()) fail(file_.string(), ": expected an absolute path of a library");
  check_elf(file_);
  if (const std::string message = try_to_open(file_, handle_); !message.empty())
    fail(file_.string(), ": ", reason_of(message, file_));
}

Symbol DynamicLibrary::symbol(const char* name) const {
  const void* address = dlsym(handle_, name);
  if (!address) fail(file_.string(), ": exports no symbol ", name);
  Dl_info place{};
  ElfW(Sym)* entry = nullptr;
  std::error_code ignored;
  if (!std::filesystem::exists(file_, ignored)) fail(file_.string(), ": was deleted while it was opened");
  if (!dladdr1(address, &place, reinterpret_cast<void**>(&entry), RTLD_DL_SYMENT) || !entry ||
      !std::filesystem::equivalent(place.dli_fname, file_, ignored))
    fail(file_.string(), ": exports no symbol ", name, " of its own",
         place.dli_fname ? std::string(" (found in ") + place.dli_fname + ")" : "");
  return {address, entry->st_size};
}

bool opens_system_library(const char* name, std::string& reason) {
  if (dlopen(name, RTLD_NOW | RTLD_LOCAL)) return true;
  reason = dlerror();
  return false;
}

}  // namespace gpt2run
