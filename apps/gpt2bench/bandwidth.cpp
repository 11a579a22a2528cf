// The read loop combines the data by XOR in eight independent registers, so that it only ever waits for memory.
#include "gpt2bench/bandwidth.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "gpt2bench/timed_parallel.hpp"
#include "gpt2run/error.hpp"

namespace gpt2run {
namespace {

constexpr size_t kHugePage = size_t{2} << 20, kStreams = 8;

template <size_t kBytes>
[[gnu::always_inline]] inline uint64_t read_by(const std::byte* memory, size_t bytes) {
  typedef uint64_t Register __attribute__((vector_size(kBytes)));
  Register sums[kStreams] = {};
  for (size_t at = 0; at + kStreams * kBytes <= bytes; at += kStreams * kBytes) {
    for (size_t i = 0; i < kStreams; ++i) sums[i] ^= *reinterpret_cast<const Register*>(memory + at + i * kBytes);
  }
  uint64_t lanes[kStreams * kBytes / sizeof(uint64_t)], all = 0;
  std::memcpy(lanes, sums, sizeof lanes);
  for (const uint64_t lane : lanes) all ^= lane;
  return all;
}

uint64_t read_portable(const std::byte* memory, size_t bytes) { return read_by<16>(memory, bytes); }
#if defined(__x86_64__)
[[gnu::target("avx2")]] uint64_t read_avx2(const std::byte* memory, size_t bytes) { return read_by<32>(memory, bytes); }
[[gnu::target("avx512f")]] uint64_t read_avx512(const std::byte* memory, size_t bytes) {
  return read_by<64>(memory, bytes);
}
#endif

using Read = uint64_t (*)(const std::byte*, size_t);

Read widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return read_avx512;
  if (__builtin_cpu_supports("avx2")) return read_avx2;
#endif
  return read_portable;
}

}  // namespace

void ReadBandwidth::Free::operator()(std::byte* at) const { std::free(at); }

ReadBandwidth::ReadBandwidth(size_t bytes)
    : bytes_((bytes + kHugePage - 1) / kHugePage * kHugePage),
      memory_(static_cast<std::byte*>(std::aligned_alloc(kHugePage, bytes_))) {
  if (!memory_) fail("read bandwidth: no memory for ", bytes_, " bytes");
#if defined(__linux__)
  madvise(memory_.get(), bytes_, MADV_HUGEPAGE);
#endif
  std::memset(memory_.get(), 1, bytes_);
}

double ReadBandwidth::measure(int threads) const {
  const Read read = widest();
  const size_t part = bytes_ / static_cast<size_t>(threads) / 4096 * 4096;
  std::atomic<uint64_t> result = 0;  // keeps the compiler from removing the loop
  const double seconds = timed_parallel(
      threads, [&](int thread) { result ^= read(memory_.get() + part * static_cast<size_t>(thread), part); });
  return static_cast<double>(part) * threads / seconds;
}

}  // namespace gpt2run
