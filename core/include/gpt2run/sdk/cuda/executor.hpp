// The functions that the device headers call when a plain C++ compiler compiles them. Only the tests define these
// functions (tests/cuda/executor), so that no program can fall back on an emulated device.
// A launch on a stream runs in stream order when somebody waits for it; a launch without a stream runs at once. A fault
// of a kernel is thrown as an Error with the kernel, block, thread and line.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

namespace gpt2run::executor {

// A place in a source file. As a default argument current() is the place of the call, as in std::source_location, which
// clang 14 does not have.
struct Site {
  const char* file = "";
  uint32_t line = 0;

  static constexpr Site current(const char* file = __builtin_FILE(), uint32_t line = __builtin_LINE()) {
    return {file, line};
  }
};

// The identity of the running thread.
struct Thread {
  int thread, threads;
  int block[3], blocks[3];
  void* shared;
};
const Thread& self();

void sync_block(Site);

// Does nothing in a kernel that was not launched as dependent, and when a thread calls it again.
void wait_for_previous_kernel(Site);

// Exchanges values between lanes: waits until all lanes of the mask have called it, then returns the values of all
// lanes, (32, bytes). Values of lanes outside the mask are undefined. The memory is valid until this thread's next
// call. Throws Error if the mask does not name the caller and `source`, if it names a lane that has ended, or if the
// lanes that it names pass different masks.
const void* exchange(uint32_t mask, const void* value, size_t bytes, int source, Site);

// Called before an atomic update, so that updates of shared memory are counted.
void note_update(const void* at);

// The asynchronous copies of 16 bytes of sdk/cuda/async_copy.hpp. They throw Error if an address is not aligned, if
// `to` is not in the block's shared memory or another copy to it is in flight, and, from wait_copies, if the source has
// changed since.
void copy_async(void* to, const void* from, Site);
void commit_copies();
void wait_copies(int left, Site);

// The barriers of clusters and what their blocks send to each other (sdk/cuda/cluster.hpp). They throw Error if a
// thread arrives twice, waits without having arrived, or ends without waiting; if an address is not in the block's
// shared memory; if the other block may not have begun, has not opened the inbox, gets more than the inbox is opened
// for, or has ended; and if a block ends with an inbox whose bytes it has not waited for.
void arrive_cluster(Site);
void wait_cluster(Site);
void open_inbox(void* inbox, int bytes, Site);
void send(float* own, void* inbox, int rank, float value, Site);
void wait_inbox(void* inbox, Site);
int most_blocks_of_cluster();

// Under ThreadSanitizer (GPT2RUN_EXECUTOR_TSAN) a fence and an atomic operation tell it what they order.
void fence();
void note_atomic(const void* at);

// The most threads of a block that a kernel is declared for. Nothing in the type of a function could hold this number,
// so it is kept in the machine code: the compiler puts bytes before the function, as room for patches that nobody
// makes. Their number tells the bound, exactly below a warp, and in whole warps above.
inline constexpr int kMostThreads = 1024;
constexpr int bytes_of_bound(int threads) { return 2 * (threads < 32 ? 32 + threads : (threads + 31) / 32); }
#define GPT2RUN_BOUNDED(threads, ...)                                                 \
  __attribute__((patchable_function_entry(gpt2run::executor::bytes_of_bound(threads), \
                                          gpt2run::executor::bytes_of_bound(threads))))
int bound_of(const void* kernel);  // or 0, if the function is no kernel

struct Launch {
  const char* name;
  int blocks[3];
  int threads, bound;  // bound: the kernel's own, from bound_of()
  size_t shared, most_shared;
  bool dependent;  // may start before the kernel in front has ended
  int cluster;     // blocks of a cluster, which follow each other in x
};
void launch(const Launch&, void* stream, std::function<void()> thread);

// What a device of the tests runs at once: of any kernel.
int blocks_at_once();

// Throws Error if the value of a launch's argument holds the address of memory that the stream's device cannot access.
void check_argument(const char* kernel, int number, const void* value, size_t bytes, void* stream);

// What a kernel says before it accesses `bytes` bytes as one vector: throws Error unless the address is a multiple of
// that size, as a device demands.
void check_aligned(const void* at, size_t bytes, Site site = Site::current());

// Used by sdk/cuda/range.hpp.
void begin_range(const char* name, int64_t number);
void end_range();

}  // namespace gpt2run::executor
