// The bounds of kernels, read from the table in which the compiler lists the bytes that GPT2RUN_BOUNDED has put before
// them. Each program and each plugin has a table of its own.
#include <algorithm>
#include <cstdint>

#include "gpt2run/sdk/cuda/executor.hpp"

// By the linker: the table's first and last element. Null where no kernel is linked.
extern "C" {
extern const uintptr_t __start___patchable_function_entries[] __attribute__((weak, visibility("hidden")));
extern const uintptr_t __stop___patchable_function_entries[] __attribute__((weak, visibility("hidden")));
}

namespace gpt2run::executor {
namespace {

constexpr int kMostBytes = bytes_of_bound(31);

// The inverse of bytes_of_bound().
constexpr int threads_of(int bytes) { return bytes > 32 ? bytes - 32 : bytes * 32; }

}  // namespace

int bound_of(const void* kernel) {
#if !defined(__x86_64__)
  return kMostThreads;  // where an instruction has more than a byte, their number is another one
#endif
  const auto entry = reinterpret_cast<uintptr_t>(kernel);
  uintptr_t nearest = 0;
  for (const uintptr_t* at = __start___patchable_function_entries; at < __stop___patchable_function_entries; ++at)
    if (*at <= entry) nearest = std::max(nearest, *at);
  constexpr char kNop = '\x90';
  const auto *begin = reinterpret_cast<const char*>(nearest), *end = reinterpret_cast<const char*>(entry);
  if (nearest == 0 || end - begin > kMostBytes) return 0;
  return std::all_of(begin, end, [](char byte) { return byte == kNop; }) ? threads_of(static_cast<int>(end - begin))
                                                                         : 0;
}

}  // namespace gpt2run::executor
