// The language of kernels, and how they are launched. It is a thin layer over nvcc. With a plain C++ compiler it uses
// the executor (sdk/cuda/executor.hpp), which runs the same source on the CPU for tests.
//
// A kernel is declared as `template <...> GPT2RUN_KERNEL(threads) name(arguments by value)` and started only with
// launch(). Its blocks are one-dimensional, and its shared memory comes from shared_memory(). Threads of a block see
// each other's writes after sync_block(). Lanes of a warp exchange values with the functions that take a mask; every
// lane in the mask must call them.
#pragma once
#include <bit>
#include <type_traits>
#include <utility>

#include "gpt2run/sdk/random.hpp"

#if defined(__CUDACC__)
#include "gpt2run/sdk/cuda/errors_cuda.hpp"
#define GPT2RUN_KERNEL(...) __global__ void __launch_bounds__(__VA_ARGS__)
#define GPT2RUN_DEVICE __device__ inline
#define GPT2RUN_UNROLL _Pragma("unroll")
#else
#include "gpt2run/sdk/cuda/executor.hpp"
#define GPT2RUN_KERNEL(...) GPT2RUN_BOUNDED(__VA_ARGS__, ) inline void
#define GPT2RUN_DEVICE inline
#define GPT2RUN_UNROLL
#endif

namespace gpt2run::cuda {

inline constexpr int kWarp = 32;
inline constexpr uint32_t kWholeWarp = 0xFFFFFFFF;
inline constexpr size_t kSharedBytes = 48 << 10;  // shared memory that a block can have without an opt-in
// Shared memory that a block can have with the opt-in, which launch() makes: 64 KiB on compute capability 7.5, and at
// least 99 KiB on all later ones.
#if defined(GPT2RUN_CUDA_LEAST) && GPT2RUN_CUDA_LEAST < 80
inline constexpr size_t kMostSharedBytes = 64 << 10;
#else
inline constexpr size_t kMostSharedBytes = 99 << 10;
#endif
inline constexpr int kMostClusterBlocks = 16;      // devices that have clusters have 8 at least, most of them 16
inline constexpr size_t kArgumentBytes = 4 << 10;  // arguments that a kernel can have with every driver

// A stream in which kernels are launched. dependent: each may start before the kernel in front of it in the stream has
// ended (programmatic dependent launch). Every thread of such a kernel calls wait_for_previous_kernel().
struct KernelStream {
  KernelStream(void* handle = nullptr, bool dependent = false) : handle(handle), dependent(dependent) {}

  void* handle;  // cudaStream_t
  bool dependent;
};

struct LaunchConfig {
  const char* name;  // of the kernel, for error messages
  int blocks[3];     // each at least 1; y and z at most 65535
  int threads;       // per block, 1 to 1024
  size_t shared;     // bytes of shared memory per block, at most kMostSharedBytes
  KernelStream stream;
  int cluster = 1;  // blocks of a cluster, which follow each other in x: a divisor of blocks[0] (cluster.hpp)
};

// Bytes that a kernel's arguments take, with their alignment.
template <class... Parameters>
constexpr size_t argument_bytes() {
  size_t bytes = 0;
  ((bytes = (bytes + alignof(Parameters) - 1) / alignof(Parameters) * alignof(Parameters) + sizeof(Parameters)), ...);
  return bytes;
}

#if defined(__CUDACC__)

GPT2RUN_DEVICE int thread_id() { return static_cast<int>(threadIdx.x); }
GPT2RUN_DEVICE int thread_count() { return static_cast<int>(blockDim.x); }
GPT2RUN_DEVICE int block_x() { return static_cast<int>(blockIdx.x); }
GPT2RUN_DEVICE int block_y() { return static_cast<int>(blockIdx.y); }
GPT2RUN_DEVICE int block_z() { return static_cast<int>(blockIdx.z); }
GPT2RUN_DEVICE int blocks_x() { return static_cast<int>(gridDim.x); }

GPT2RUN_DEVICE void sync_block() { __syncthreads(); }

template <class T>
GPT2RUN_DEVICE T shuffle_xor(uint32_t mask, T value, int lanes) {
  return __shfl_xor_sync(mask, value, lanes);
}

template <class T>
GPT2RUN_DEVICE T shuffle(uint32_t mask, T value, int lane) {
  return __shfl_sync(mask, value, lane);
}

GPT2RUN_DEVICE uint32_t ballot(uint32_t mask, bool vote) { return __ballot_sync(mask, vote); }
GPT2RUN_DEVICE int bits_of(uint32_t votes) { return __popc(votes); }

// The block's shared memory, 16-byte aligned.
GPT2RUN_DEVICE void* shared_memory() {
  extern __shared__ uint4 gpt2run_shared[];
  return gpt2run_shared;
}

GPT2RUN_DEVICE int atomic_add(int* at, int value) { return atomicAdd(at, value); }
// For device memory only: in shared memory a device does this by a loop of compare-and-swap.
GPT2RUN_DEVICE uint64_t atomic_add(uint64_t* at, uint64_t value) {
  return atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
}
GPT2RUN_DEVICE uint32_t atomic_or(uint32_t* at, uint32_t value) { return atomicOr(at, value); }

// Lets the next kernel of the stream start, and waits until the kernel in front of this one has ended and its writes
// are visible. Before that, a kernel may read only memory that was declared read-only (set_read_only in runtime.hpp),
// and it must not write device memory. Kernels that need nothing from the one in front call it all the same: they end
// only after it, and so every kernel finds the work of all that are in front of it done. Returns at once in a kernel
// that was not launched on a dependent stream.
GPT2RUN_DEVICE void wait_for_previous_kernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Makes this thread's writes before the fence visible to other blocks no later than its writes after the fence.
GPT2RUN_DEVICE void fence() { __threadfence(); }

// Adds 1 to a counter in device memory. What this thread wrote before, or has seen through a barrier, is visible to a
// thread of another block that adds later, after its own call. On a device this costs one fence; with fence() on both
// sides of atomic_add() it would be two stronger ones.
GPT2RUN_DEVICE int count_arrival(int* at) {
  int before;
  asm volatile("atom.add.acq_rel.gpu.global.s32 %0, [%1], 1;"
               : "=r"(before)
               : "l"(__cvta_generic_to_global(at))
               : "memory");
  return before;
}

// Loads a value that another block wrote before a fence, bypassing this multiprocessor's L1 cache.
GPT2RUN_DEVICE float load_fresh(const float* at) { return __ldcg(at); }

// Replaces every value by its sum over a group of kGroup neighbouring lanes. All lanes of the warp must call it. The
// exchange is a butterfly, so every lane gets the same bits.
template <int kGroup, class T, int kCount>
GPT2RUN_DEVICE void sum_over_lanes(T (&values)[kCount]) {
  GPT2RUN_UNROLL
  for (int lanes = kGroup / 2; lanes > 0; lanes /= 2) {
    GPT2RUN_UNROLL
    for (int i = 0; i < kCount; ++i) values[i] += __shfl_xor_sync(kWholeWarp, values[i], lanes);
  }
}

// Replaces every value by that of the lane whose number differs in the bits of `lanes`. All lanes of the warp must call
// it.
template <class T, int kCount>
GPT2RUN_DEVICE void swap_lanes(T (&values)[kCount], int lanes) {
  GPT2RUN_UNROLL
  for (int i = 0; i < kCount; ++i) values[i] = __shfl_xor_sync(kWholeWarp, values[i], lanes);
}

// Always the same value, since another thread may be about to launch the kernel with more.
template <class... Parameters>
void allow_shared_memory(const LaunchConfig& config, void (*kernel)(Parameters...)) {
  if (config.shared > kSharedBytes)
    check_launch(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kMostSharedBytes),
                 config.name);
}

// Allows clusters of more than 8 blocks. Returns false if the device refuses them.
template <class... Parameters>
bool allow_large_clusters(void (*kernel)(Parameters...)) {
  return cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1) == cudaSuccess;
}

// How many blocks of such a launch the selected device runs at once, at least 1. config.blocks is not looked at.
template <class... Parameters>
int blocks_at_once(const LaunchConfig& config, void (*kernel)(Parameters...)) {
  int device = 0, processors = 0, blocks = 0;
  allow_shared_memory(config, kernel);
  check_launch(cudaGetDevice(&device), config.name);
  check_launch(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), config.name);
  check_launch(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, config.threads, config.shared),
               config.name);
  return blocks > 0 ? processors * blocks : 1;
}

// Starts a kernel. Its arguments take at most kArgumentBytes. A stream is dependent only where
// why_no_dependent_launch() in runtime.hpp finds nothing. The stream's device must be selected. Throws Error with
// the kernel's name.
template <class... Parameters, class... Arguments>
void launch(const LaunchConfig& config, void (*kernel)(Parameters...), const Arguments&... arguments) {
  static_assert(argument_bytes<Parameters...>() <= kArgumentBytes);
  cudaLaunchConfig_t native = {};
  native.gridDim = dim3(config.blocks[0], config.blocks[1], config.blocks[2]);
  native.blockDim = dim3(config.threads);
  native.dynamicSmemBytes = config.shared;
  allow_shared_memory(config, kernel);
  native.stream = static_cast<cudaStream_t>(config.stream.handle);
  cudaLaunchAttribute attributes[2] = {};
  native.attrs = attributes;
  if (config.stream.dependent) {
    cudaLaunchAttribute& dependent = attributes[native.numAttrs++];
    dependent.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    dependent.val.programmaticStreamSerializationAllowed = 1;
  }
  if (config.cluster > 1) {
    if (config.cluster > 8) allow_large_clusters(kernel);  // if it is refused, so is the launch
    cudaLaunchAttribute& cluster = attributes[native.numAttrs++];
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {static_cast<unsigned>(config.cluster), 1, 1};
  }
  check_launch(cudaLaunchKernelEx(&native, kernel, Parameters(arguments)...), config.name);
}

#else

inline int thread_id() { return executor::self().thread; }
inline int thread_count() { return executor::self().threads; }
inline int block_x() { return executor::self().block[0]; }
inline int block_y() { return executor::self().block[1]; }
inline int block_z() { return executor::self().block[2]; }
inline int blocks_x() { return executor::self().blocks[0]; }

inline void sync_block(executor::Site site = executor::Site::current()) { executor::sync_block(site); }

inline void wait_for_previous_kernel(executor::Site site = executor::Site::current()) {
  executor::wait_for_previous_kernel(site);
}

template <class T>
T shuffle_xor(uint32_t mask, T value, int lanes, executor::Site site = executor::Site::current()) {
  const int own = thread_id() % kWarp;
  return static_cast<const T*>(executor::exchange(mask, &value, sizeof value, own ^ lanes, site))[own ^ lanes];
}

template <class T>
T shuffle(uint32_t mask, T value, int lane, executor::Site site = executor::Site::current()) {
  return static_cast<const T*>(executor::exchange(mask, &value, sizeof value, lane, site))[lane];
}

inline uint32_t ballot(uint32_t mask, bool vote, executor::Site site = executor::Site::current()) {
  const int own = thread_id() % kWarp;
  const auto* votes = static_cast<const bool*>(executor::exchange(mask, &vote, sizeof vote, own, site));
  uint32_t all = 0;
  for (int lane = 0; lane < kWarp; ++lane) all |= static_cast<uint32_t>((mask >> lane & 1) && votes[lane]) << lane;
  return all;
}

inline int bits_of(uint32_t votes) { return std::popcount(votes); }

inline void* shared_memory() { return executor::self().shared; }

// Relaxed, as on a device: only fences order what a block does for other blocks.
#if defined(GPT2RUN_EXECUTOR_TSAN)
inline void note_atomic(const void* at) { executor::note_atomic(at); }
inline void fence() { executor::fence(); }
#else
inline void note_atomic(const void*) {}
inline void fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
#endif
template <class T>
T atomic_add(T* at, std::type_identity_t<T> value) {
  executor::note_update(at);
  note_atomic(at);
  return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
inline uint32_t atomic_or(uint32_t* at, uint32_t value) {
  executor::note_update(at);
  note_atomic(at);
  return __atomic_fetch_or(at, value, __ATOMIC_RELAXED);
}
inline int count_arrival(int* at) {
  fence();
  const int before = atomic_add(at, 1);
  fence();
  return before;
}
inline float load_fresh(const float* at) { return *at; }

// A single exchange instead of a butterfly of exchanges, with sums in the butterfly's order.
template <int kGroup, class T, int kCount>
void sum_over_lanes(T (&values)[kCount], executor::Site site = executor::Site::current()) {
  const int own = thread_id() % kWarp, first = own / kGroup * kGroup;
  const T* all =
      static_cast<const T*>(executor::exchange(kWholeWarp, values, sizeof values, own, site)) + first * kCount;
  for (int i = 0; i < kCount; ++i) {
    T sums[kGroup];
    for (int lane = 0; lane < kGroup; ++lane) sums[lane] = all[lane * kCount + i];
    for (int half = kGroup / 2; half > 0; half /= 2)
      for (int lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
    values[i] = sums[0];
  }
}

// A single exchange of all values.
template <class T, int kCount>
void swap_lanes(T (&values)[kCount], int lanes, executor::Site site = executor::Site::current()) {
  const int other = thread_id() % kWarp ^ lanes;
  const auto* all = static_cast<const T*>(executor::exchange(kWholeWarp, values, sizeof values, other, site));
  for (int i = 0; i < kCount; ++i) values[i] = all[other * kCount + i];
}

template <class... Parameters>
int blocks_at_once(const LaunchConfig&, void (*)(Parameters...)) {
  return executor::blocks_at_once();
}

// Errors of the kernel itself are thrown when somebody waits for the stream.
template <class... Parameters, class... Arguments>
void launch(const LaunchConfig& config, void (*kernel)(Parameters...), const Arguments&... arguments) {
  static_assert(argument_bytes<Parameters...>() <= kArgumentBytes);
  int number = 0;
  [[maybe_unused]] const auto check = [&]<class Parameter>(Parameter value) {
    ++number;
#if __has_builtin(__builtin_clear_padding)
    __builtin_clear_padding(&value);                     // where old pointers may lie
#endif
    if constexpr (alignof(Parameter) >= alignof(void*))  // only such a value can hold a pointer
      executor::check_argument(config.name, number, &value, sizeof value, config.stream.handle);
  };
  (check(Parameters(arguments)), ...);
  executor::launch({config.name,
                    {config.blocks[0], config.blocks[1], config.blocks[2]},
                    config.threads,
                    executor::bound_of(reinterpret_cast<const void*>(kernel)),
                    config.shared,
                    kMostSharedBytes,
                    config.stream.dependent,
                    config.cluster},
                   config.stream.handle, [=] { kernel(Parameters(arguments)...); });
}

#endif

// A bump allocator for the shared memory of a block. Every thread must take the same arrays in the same order.
class Shared {
 public:
  GPT2RUN_HD explicit Shared(void* memory) : at_(static_cast<char*>(memory)) {}

  // Returns an array (count), 16-byte aligned.
  template <class T>
  GPT2RUN_HD T* take(int count) {
#if !defined(__CUDACC__)
    executor::check_aligned(at_, 16);
#endif
    T* array = reinterpret_cast<T*>(at_);
    at_ += bytes_of<T>(count);
    return array;
  }
  // The bytes of such an array, for LaunchConfig::shared.
  template <class T>
  GPT2RUN_HD static constexpr size_t bytes_of(int count) {
    return (count * sizeof(T) + 15) / 16 * 16;
  }

 private:
  char* at_;
};

GPT2RUN_HD constexpr int divided_up(int value, int by) { return (value + by - 1) / by; }

}  // namespace gpt2run::cuda
