// A table that only grows, so that a signal handler can read it at any time.
#include "common/program/plugin_code.hpp"

#include <link.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

struct Code {
  uintptr_t begin, end;
  const char* name;
};

std::array<Code, 256> table;
std::atomic<size_t> count = 0;
std::array<char, 2048> names;  // zero-terminated; what does not fit is left out

// What dl_iterate_phdr() looks for, and whether it was found.
struct Wanted {
  std::string file;
  const char* name;
  bool found = false;
};

bool is_known(uintptr_t begin) {
  return std::any_of(table.begin(), table.begin() + static_cast<ptrdiff_t>(count.load()),
                     [&](const Code& code) { return code.begin == begin; });
}

int note_segments(dl_phdr_info* library, size_t, void* arg) {
  auto& wanted = *static_cast<Wanted*>(arg);
  if (wanted.file != library->dlpi_name) return 0;
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const auto& segment = library->dlpi_phdr[i];
    const uintptr_t begin = library->dlpi_addr + segment.p_vaddr;
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X) || is_known(begin) || count == table.size()) continue;
    table[count] = {begin, begin + segment.p_memsz, wanted.name};
    ++count;
    wanted.found = true;
  }
  return 1;
}

// Bytes of a stack that are searched. What has filled it may be deep below the plugin that called it.
constexpr uintptr_t kMost = 1 << 18, kMostOfFull = 1 << 26;
constexpr uintptr_t kPage = 4096;

// Reads words of a stack, up to the end of a page at most. Returns how many: none where there is no memory. Where a
// stack ends is not known, so the system reads it.
size_t read_words(uintptr_t at, std::array<const void*, 64>& words) {
  const size_t bytes = std::min<size_t>(sizeof words, kPage - at % kPage);
  const iovec here{words.data(), bytes}, there{reinterpret_cast<void*>(at), bytes};
  const bool is_read = process_vm_readv(getpid(), &here, 1, &there, 1, 0) == static_cast<ssize_t>(bytes);
  return is_read ? bytes / sizeof words[0] : 0;
}

// The end of a stack that is full: a call has moved the address beyond it, by less than a quarter of a megabyte.
uintptr_t first_readable(uintptr_t beyond) {
  std::array<const void*, 64> words;
  uintptr_t at = beyond;
  while (at < beyond + kMost && read_words(at, words) == 0) at += kPage - at % kPage;
  return at;
}

// Whether a call stands before this place in a plugin, as it does before a return address. A stack also has pointers to
// functions, and what earlier calls have left.
bool is_behind_call([[maybe_unused]] const void* code) {
#ifdef __x86_64__
  const auto* at = static_cast<const unsigned char*>(code);
  if (!plugin_at(at - 7)) return false;
  if (at[-5] == 0xE8) return true;
  for (const int size : {2, 3, 4, 6, 7})
    if (at[-size] == 0xFF && (at[1 - size] & 0x38) == 0x10) return true;  // call by a register or by memory
  return false;
#else
  return true;
#endif
}

}  // namespace

void note_code(const std::filesystem::path& file) {
  const std::string name = printable(file.string());
  Wanted wanted{file.string(), strdup(name.c_str())};
  dl_iterate_phdr(note_segments, &wanted);
  if (!wanted.found) return free(const_cast<char*>(wanted.name));
  const std::string short_name = (names[0] ? ", " : "") + printable(file.filename().string());
  const size_t used = std::strlen(names.data());
  if (used + short_name.size() < names.size()) std::copy(short_name.begin(), short_name.end(), names.begin() + used);
}

const char* plugin_at(const void* code) {
  const auto address = reinterpret_cast<uintptr_t>(code);
  for (size_t i = 0; i < count; ++i)
    if (address >= table[i].begin && address < table[i].end) return table[i].name;
  return nullptr;
}

const char* plugin_on_stack(const void* stack) {
  std::array<const void*, 64> words;
  uintptr_t begin = reinterpret_cast<uintptr_t>(stack) & ~uintptr_t{7}, most = kMost;
  if (read_words(begin, words) == 0) {
    begin = first_readable(begin);
    most = kMostOfFull;
  }
  for (uintptr_t at = begin; at < begin + most;) {
    const size_t count = read_words(at, words);
    if (count == 0) return nullptr;
    for (size_t i = 0; i < count; ++i)
      if (const char* name = plugin_at(words[i]); name && is_behind_call(words[i])) return name;
    at += count * sizeof words[0];
  }
  return nullptr;
}

const char* interrupted_plugin([[maybe_unused]] const void* context) {
#ifdef __x86_64__
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext.gregs;
  const char* plugin = plugin_at(reinterpret_cast<const void*>(registers[REG_RIP]));
  return plugin ? plugin : plugin_on_stack(reinterpret_cast<const void*>(registers[REG_RSP]));
#else
  return nullptr;
#endif
}

const char* noted_plugins() { return names.data(); }

}  // namespace gpt2run
