#include "memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "executor.hpp"
#include "gpt2run/error.hpp"

namespace gpt2run::executor {
namespace {

constexpr size_t kAlignment = 256;
constexpr int kMostDevices = 4;

#if defined(__SANITIZE_ADDRESS__) || defined(GPT2RUN_EXECUTOR_TSAN)
constexpr bool kGuarded = false;
#else
constexpr bool kGuarded = true;
#endif

// No program and no library is mapped at these addresses by itself.
constexpr uintptr_t kBegin = uintptr_t{1} << 44, kOfDevice = uintptr_t{1} << 42,
                    kEnd = kBegin + kMostDevices * kOfDevice;
constexpr size_t kOfCopy = size_t{1} << 34;  // reserved; memory is used only once it is touched

// Whether host code must find device memory closed. Opening and closing it costs as much as small kernels take.
bool closes() {
  static const bool closed = [] {
    const char* text = std::getenv("GPT2RUN_EXECUTOR_MEMORY");
    return kGuarded && text && std::string_view(text) == "closed";
  }();
  return closed;
}

// Device memory begins this far behind a multiple of 4 GiB. So a word whose lower half is smaller is taken for no
// pointer: it may be an int of an argument, and beside it padding with anything in it.
constexpr size_t kLeastLowerHalf = 1 << 16;

size_t whole_pages(size_t bytes) {
  static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

// This copy's memory of one device. Its first `used_` bytes can be accessed while somebody has opened it, or always.
class Arena {
 public:
  explicit Arena(int device) {
    for (uintptr_t at = kBegin + device * kOfDevice; at < kBegin + (device + 1) * kOfDevice; at += kOfCopy) {
      void* const here = mmap(reinterpret_cast<void*>(at), kOfCopy, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
      if (here == MAP_FAILED) continue;
      base_ = static_cast<char*>(here);
      madvise(base_, kOfCopy, MADV_HUGEPAGE);  // large pages are opened and closed in a fraction of the time
      if (here == reinterpret_cast<void*>(at)) return;
      munmap(here, kOfCopy);  // an old kernel takes the address for a wish
    }
    fail("the executor found no addresses for memory of device ", device);
  }

  void open() {
    const std::lock_guard guard(mutex_);
    if (opened_++ == 0) protect(0, PROT_READ | PROT_WRITE);
  }
  void close() noexcept {
    const std::lock_guard guard(mutex_);
    if (--opened_ == 0) protect(0, PROT_NONE);
  }

  void* take(size_t bytes) {
    const std::lock_guard guard(mutex_);
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (bytes == 0) bytes = kAlignment;  // every allocation has an address of its own
    for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
      const auto [at, size] = *gap;
      if (size < bytes) continue;
      gaps_.erase(gap);
      if (size > bytes) gaps_.emplace(at + bytes, size - bytes);
      return note(at, bytes);
    }
    if (used_ + bytes > kOfCopy) fail("the executor's device memory of ", kOfCopy, " bytes is used up");
    const size_t at = std::exchange(used_, used_ + bytes);
    if (opened_ > 0 || !closes()) protect(at, PROT_READ | PROT_WRITE);
    return note(at, bytes);
  }

  void give(void* memory) noexcept {
    const std::lock_guard guard(mutex_);
    const auto taken = taken_.find(static_cast<size_t>(static_cast<char*>(memory) - base_));
    auto [at, bytes] = *taken;
    taken_.erase(taken);
    const auto next = gaps_.find(at + bytes);
    if (next != gaps_.end()) bytes += next->second, gaps_.erase(next);
    const auto after = gaps_.lower_bound(at);
    if (after != gaps_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second == at) {
        before->second += bytes;
        return;
      }
    }
    gaps_.emplace(at, bytes);
  }

 private:
  void* note(size_t at, size_t bytes) {
    taken_.emplace(at, bytes);
    return base_ + at;
  }
  // from: a byte of the first page to protect. The pages before it are as they were.
  void protect(size_t from, int how) noexcept {
    const size_t begin = whole_pages(from + 1) - whole_pages(1), end = whole_pages(used_);
    if (end > begin) mprotect(base_ + begin, end - begin, how);
  }

  std::mutex mutex_;
  char* base_ = nullptr;
  size_t used_ = kLeastLowerHalf;
  int opened_ = 0;
  std::map<size_t, size_t> taken_, gaps_;  // size of each by its offset; gaps do not touch
};

// The arenas of this copy. They are never released, since the last memory may be given back after everything else.
Arena& arena(int device) {
  static std::mutex mutex;
  static auto& all = *new std::map<int, Arena>;
  if (device < 0 || device >= kMostDevices) fail("the executor has ", kMostDevices, " devices, found number ", device);
  const std::lock_guard guard(mutex);
  return all.try_emplace(device, device).first->second;
}

bool is_mapped(uintptr_t address) {
  unsigned char resident;
  const uintptr_t page = address / whole_pages(1) * whole_pages(1);
  return mincore(reinterpret_cast<void*>(page), 1, &resident) == 0 || errno != ENOMEM;
}

std::string shown(int device) { return device == kHostMemory ? "the host" : "device " + std::to_string(device); }

}  // namespace

void* take_memory(int device, size_t bytes) {
  void* memory;
  if constexpr (kGuarded)
    memory = arena(device).take(bytes);
  else
    memory = ::operator new (bytes, std::align_val_t{kAlignment});
  const OpenMemory open(device);
  std::memset(memory, 0xFF, bytes);
  return memory;
}

void give_memory(void* memory) noexcept {
  if constexpr (!kGuarded) return ::operator delete (memory, std::align_val_t{kAlignment});
  if (memory) arena(device_of(memory)).give(memory);
}

int device_of(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  return kGuarded && at >= kBegin && at < kEnd ? static_cast<int>((at - kBegin) / kOfDevice) : kHostMemory;
}

void check_words(const char* what, const void* values, size_t bytes, int device, const void* stream) {
  if constexpr (!kGuarded) return;
  constexpr uintptr_t kLeast = 1 << 16, kMost = uintptr_t{1} << 47;
  for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
    uintptr_t word;
    std::memcpy(&word, static_cast<const char*>(values) + at, sizeof word);
    const auto* const address = reinterpret_cast<const void*>(word);
    if (word < kLeast || word >= kMost || address == stream) continue;
    if (static_cast<uint32_t>(word) < kLeastLowerHalf) continue;
    const int owner = device_of(address);
    if (owner == device || (owner == kHostMemory && !is_mapped(word))) continue;
    fail(what, ": expected memory of device ", device, ", found a pointer to memory of ", shown(owner), " at byte ",
         at);
  }
}

void check_address(const char* what, const void* address, int device) {
  if (kGuarded && address && device_of(address) != device)
    fail(what, ": expected memory of ", shown(device), ", found memory of ", shown(device_of(address)));
}

OpenMemory::OpenMemory(int device) : device_(device) {
  for (int each = 0; closes() && each < kMostDevices; ++each)
    if (device_ == kEveryDevice || device_ == each) arena(each).open();
}
OpenMemory::~OpenMemory() {
  for (int each = 0; closes() && each < kMostDevices; ++each)
    if (device_ == kEveryDevice || device_ == each) arena(each).close();
}

}  // namespace gpt2run::executor
