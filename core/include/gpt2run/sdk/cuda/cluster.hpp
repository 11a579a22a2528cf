// Clusters: neighbouring blocks (LaunchConfig::cluster) that run at the same time and send values to each other's
// shared memory (distributed shared memory of the PTX ISA). From compute capability 9.0 on.
//
// A block sends only after a barrier of the cluster, since the other one may not have begun before. What is sent is
// counted by an Inbox of the block that gets it, which waits for all of it: no fence is needed, and blocks that have
// sent may end. The block that gets it must not.
#pragma once
#include "gpt2run/sdk/cuda/device.hpp"

namespace gpt2run::cuda {

// In shared memory. A block opens it before its threads arrive at the cluster's first barrier, and uses it once.
struct Inbox {
  uint64_t state;  // an mbarrier of the PTX ISA
};

#if defined(__CUDACC__)

// Whether this compiler builds clusters, which its passes for the host and for devices must agree on.
inline constexpr bool kBuildsClusters = __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1201;

// A device without clusters is never asked for them (most_blocks_of_cluster): code for one ends the kernel with an
// error.
#if __CUDA_ARCH__ >= 900 && __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1201
#define GPT2RUN_HAS_CLUSTERS 1
#endif

GPT2RUN_DEVICE uint32_t shared_address(const void* at) { return static_cast<uint32_t>(__cvta_generic_to_shared(at)); }

// Every thread of the cluster that has not ended arrives at a barrier and then waits at it. The barrier makes nothing
// visible but opened inboxes.
GPT2RUN_DEVICE void arrive_cluster() {
#if defined(GPT2RUN_HAS_CLUSTERS)
  asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory");
#endif
}

GPT2RUN_DEVICE void wait_cluster() {
#if defined(GPT2RUN_HAS_CLUSTERS)
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}

// Opens an inbox for so many bytes: a multiple of 4, from 4 to 2^20 - 4. One thread of the block calls this; others of
// the block may wait for the inbox after a barrier.
GPT2RUN_DEVICE void open_inbox([[maybe_unused]] Inbox* inbox, [[maybe_unused]] int bytes) {
#if defined(GPT2RUN_HAS_CLUSTERS)
  const uint32_t at = shared_address(inbox);
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(at) : "memory");
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes) : "memory");
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}

// Sends a value to block `rank` of the cluster: to the place that `own` has in this block's shared memory, counted by
// the inbox that has the place of `inbox`. All blocks of the cluster lay out their shared memory alike.
GPT2RUN_DEVICE void send([[maybe_unused]] float* own, [[maybe_unused]] Inbox* inbox, [[maybe_unused]] int rank,
                         [[maybe_unused]] float value) {
#if defined(GPT2RUN_HAS_CLUSTERS)
  uint32_t to, counter;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(to) : "r"(shared_address(own)), "r"(rank));
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(counter) : "r"(shared_address(inbox)), "r"(rank));
  asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(to), "f"(value),
               "r"(counter)
               : "memory");
#else
  asm volatile("trap;");
#endif
}

// Waits until all bytes have come. Afterwards this thread sees them.
GPT2RUN_DEVICE void wait_inbox([[maybe_unused]] Inbox* inbox) {
#if defined(GPT2RUN_HAS_CLUSTERS)
  uint32_t complete = 0;
  do {
    asm volatile(
        "{ .reg .pred p; mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
        : "=r"(complete)
        : "r"(shared_address(inbox))
        : "memory");
  } while (!complete);
#else
  asm volatile("trap;");
#endif
}

// The most blocks that a cluster of such launches can have on the selected device, or 0 where there are no clusters or
// the kernel is not built for them. config.blocks and config.cluster are not looked at.
template <class... Parameters>
int most_blocks_of_cluster(const LaunchConfig& config, void (*kernel)(Parameters...)) {
  cudaFuncAttributes attributes = {};
  int most = 0;
  check_launch(cudaFuncGetAttributes(&attributes, kernel), config.name);
  if (attributes.ptxVersion < 90 || !kBuildsClusters) return 0;
  cudaLaunchConfig_t native = {};
  native.gridDim = dim3(kMostClusterBlocks), native.blockDim = dim3(config.threads);
  native.dynamicSmemBytes = config.shared;
  allow_shared_memory(config, kernel);
  if (!allow_large_clusters(kernel)) cudaGetLastError();  // then the answer below is at most 8
  if (cudaOccupancyMaxPotentialClusterSize(&most, kernel, &native) == cudaSuccess) return most;
  cudaGetLastError();  // clears the error: of a device without clusters
  return 0;
}

#else

inline void arrive_cluster(executor::Site site = executor::Site::current()) { executor::arrive_cluster(site); }
inline void wait_cluster(executor::Site site = executor::Site::current()) { executor::wait_cluster(site); }
inline void open_inbox(Inbox* inbox, int bytes, executor::Site site = executor::Site::current()) {
  executor::open_inbox(inbox, bytes, site);
}
inline void send(float* own, Inbox* inbox, int rank, float value, executor::Site site = executor::Site::current()) {
  executor::send(own, inbox, rank, value, site);
}
inline void wait_inbox(Inbox* inbox, executor::Site site = executor::Site::current()) {
  executor::wait_inbox(inbox, site);
}

template <class... Parameters>
int most_blocks_of_cluster(const LaunchConfig&, void (*)(Parameters...)) {
  return executor::most_blocks_of_cluster();
}

#endif

}  // namespace gpt2run::cuda
