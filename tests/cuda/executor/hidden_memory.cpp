#include "hidden_memory.hpp"

#include <cstring>
#include <map>

#include "executor.hpp"

namespace gpt2run::executor {
namespace {

constexpr std::byte kPoison{0xFF};  // NaN as a float, -1 as an integer

// Address and size of each allocation that can be hidden. Never destroyed, since memory is released until the very end.
std::map<std::byte*, size_t>& memory() {
  static auto* const own = new std::map<std::byte*, size_t>;
  return *own;
}

}  // namespace

std::recursive_mutex& running() {
  static std::recursive_mutex mutex;
  return mutex;
}

void add_memory(void* at, size_t bytes) {
  const std::lock_guard alone(running());
  memory()[static_cast<std::byte*>(at)] = bytes;
}
void remove_memory(const void* at) {
  const std::lock_guard alone(running());
  memory().erase(static_cast<std::byte*>(const_cast<void*>(at)));
}

void HiddenMemory::hide() {
  const OpenMemory open;
  contents_.clear();
  for (const auto& [at, bytes] : memory()) {
    parts_.push_back({at, bytes});
    contents_.insert(contents_.end(), at, at + bytes);
    std::memset(at, static_cast<int>(kPoison), bytes);
  }
}

bool HiddenMemory::show() {
  if (parts_.empty()) return true;
  const OpenMemory open;
  bool untouched = true;
  const std::byte* from = contents_.data();
  for (const Part& part : parts_) {
    if (part.bytes == 0) continue;
    // Its first byte is poison, and every byte is as the one after it.
    untouched = untouched && part.at[0] == kPoison && std::memcmp(part.at, part.at + 1, part.bytes - 1) == 0;
    std::memcpy(part.at, from, part.bytes);
    from += part.bytes;
  }
  parts_.clear();
  return untouched;
}

}  // namespace gpt2run::executor
