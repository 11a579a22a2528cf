// Reads the files in which Linux says it.
#include "common/program/available_memory.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace gpt2run {
namespace {

constexpr int64_t kUnknown = std::numeric_limits<int64_t>::max();

// The number that a file begins with; kUnknown without one, as where it says "max".
int64_t number_in(const char* path) {
  std::ifstream file(path);
  int64_t number = 0;
  return file >> number ? number : kUnknown;
}

// What is left of a limit. Version 1 writes a number near 2^63 for "none".
int64_t left_of(const char* limit, const char* used) {
  const int64_t most = number_in(limit), now = number_in(used);
  return most == kUnknown || now == kUnknown ? kUnknown : std::max<int64_t>(0, most - now);
}

int64_t of_machine() {
  std::ifstream file("/proc/meminfo");
  std::string key, rest;
  int64_t kibibytes = 0;
  while (file >> key >> kibibytes && std::getline(file, rest))
    if (key == "MemAvailable:") return kibibytes * 1024;
  return kUnknown;
}

}  // namespace

int64_t available_memory() {
  return std::min(
      {of_machine(), left_of("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
       left_of("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes")});
}

}  // namespace gpt2run
