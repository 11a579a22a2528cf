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

// The number behind a key of a file with lines such as "MemTotal:   123 kB"; `missing` without the key.
int64_t value_in(const char* path, const char* key, int64_t missing) {
  std::ifstream file(path);
  std::string found, rest;
  int64_t value = 0;
  while (file >> found >> value && std::getline(file, rest))
    if (found == key) return value;
  return missing;
}

// Where a version of control groups has its numbers.
struct Group {
  const char *limit, *used, *statistics, *file_pages;
};
constexpr Group kGroups[] = {
    {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"},
    {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
     "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file"}};

// What is left of a limit. Version 1 writes a number near 2^63 for "none".
int64_t left_of(const Group& group) {
  const int64_t most = number_in(group.limit), used = number_in(group.used);
  if (most == kUnknown || used == kUnknown) return kUnknown;
  const int64_t held = used - std::min(used, value_in(group.statistics, group.file_pages, 0));
  return std::max<int64_t>(0, most - held);
}

// A line of /proc/meminfo, in bytes.
int64_t of_machine(const char* key, int64_t missing) {
  constexpr int64_t kKibibyte = 1024;
  const int64_t found = value_in("/proc/meminfo", key, -1);
  return found < 0 ? missing : found * kKibibyte;
}

}  // namespace

int64_t available_memory() {
  int64_t bytes = of_machine("MemAvailable:", kUnknown);
  for (const Group& group : kGroups) bytes = std::min(bytes, left_of(group));
  return bytes;
}

int64_t total_memory() {
  int64_t bytes = of_machine("MemTotal:", kUnknown);
  if (bytes != kUnknown) bytes += of_machine("SwapTotal:", 0);
  for (const Group& group : kGroups) bytes = std::min(bytes, number_in(group.limit));
  return bytes;
}

}  // namespace gpt2run
