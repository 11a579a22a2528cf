// Reads /proc/meminfo and the limit of the control group. Where neither can be read, nothing is checked.
#include "common/pipeline/memory_check.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <string>

#include "common/pipeline/explain.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

// The lines of /proc/meminfo, in bytes.
std::map<std::string, int64_t> memory_lines() {
  std::map<std::string, int64_t> lines;
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (int64_t kilobytes = 0; file >> name >> kilobytes;) {
    lines[name] = kilobytes * 1024;
    std::getline(file, unit);
  }
  return lines;
}

// The limit of the control group that a container has, or the largest number.
int64_t group_limit() {
  int64_t limit = 0;
  std::ifstream file("/sys/fs/cgroup/memory.max");
  return file >> limit ? limit : INT64_MAX;
}

}  // namespace

void check_memory(const BoundPlugin& precision, const Checkpoint& checkpoint, const Limits& limits) {
  if (precision.plugin->space != Space::host) return;
  const auto lines = memory_lines();
  const auto total = lines.find("MemTotal:"), free = lines.find("MemAvailable:"), swap = lines.find("SwapTotal:");
  if (total == lines.end()) return;
  const int64_t wanted = memory_of(checkpoint.config(), limits, is_tied(checkpoint), element_bytes(precision)).total();
  const int64_t all = std::min(total->second + (swap == lines.end() ? 0 : swap->second), group_limit());
  const std::string what = std::to_string(limits.slots) + (limits.slots == 1 ? " sequence" : " sequences") +
                           " at a time, of " + std::to_string(limits.context) + " tokens, take at least " +
                           shown_bytes(wanted) + " of memory";
  if (wanted > all)
    fail(what, ", this machine has ", shown_bytes(all), ": give a smaller --batch, or fewer new tokens (-n)");
  if (free != lines.end() && wanted > free->second)
    log_warning(what + ", of which " + shown_bytes(free->second) + " are free now");
}

}  // namespace gpt2run
