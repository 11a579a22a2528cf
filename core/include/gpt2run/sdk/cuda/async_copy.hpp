// Asynchronous copies of 16 bytes from device memory to shared memory (cp.async of the PTX ISA). A thread starts
// copies, closes a group of them with commit_copies(), and waits for its oldest groups with wait_copies(). Copies in
// flight take no registers, and no other load of the thread waits for them.
//
// Between the start of a copy and the wait for its group the destination must not be read or written, and the source
// must not change. After the wait only the thread that started the copy sees it; others do after a barrier. A thread
// waits for all of its copies before it ends.
#pragma once
#include <cstring>

#include "gpt2run/sdk/cuda/device.hpp"

namespace gpt2run::cuda {

inline constexpr int kCopyBytes = 16;

#if defined(__CUDACC__)

// Starts a copy from device memory that a step reads only once, past the first-level cache. Both addresses are 16-byte
// aligned. Devices below compute capability 8.0 have no such instruction; there the thread copies the bytes itself.
GPT2RUN_DEVICE void copy_async(void* shared, const void* from) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], %2;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
      "l"(from), "n"(kCopyBytes)
      : "memory");
#else
  *static_cast<uint4*>(shared) = __ldcs(static_cast<const uint4*>(from));
#endif
}

// Closes the group of the copies that were started since the last call. A group may be empty.
GPT2RUN_DEVICE void commit_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most the kLeft latest groups of this thread are in flight.
template <int kLeft>
GPT2RUN_DEVICE void wait_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#endif
}

#else

// The destination is filled with NaN until the wait. It is written here and not by the executor, so that a sanitizer
// that watches the kernel sees the write.
inline void copy_async(void* shared, const void* from, executor::Site site = executor::Site::current()) {
  executor::copy_async(shared, from, site);
  std::memset(shared, 0xFF, kCopyBytes);
}

inline void commit_copies() { executor::commit_copies(); }

template <int kLeft>
void wait_copies(executor::Site site = executor::Site::current()) {
  executor::wait_copies(kLeft, site);
}

#endif

}  // namespace gpt2run::cuda
