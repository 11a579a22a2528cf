// The cost of starting a kernel in several ways, and of a barrier across all blocks.
#pragma once
#include "device.hpp"

namespace gpt2run::cuda {

GPT2RUN_KERNEL(32) empty_kernel(int) {}

GPT2RUN_KERNEL(32) programmatic_kernel(int) {
#if __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
  cudaGridDependencySynchronize();
#endif
}

GPT2RUN_KERNEL(kThreads) barrier_kernel(uint32_t* counter, int times) {
  for (uint32_t turn = 1; turn <= static_cast<uint32_t>(times); ++turn) {
    sync_block();
    if (thread_id() == 0) {
      fence();
      atomicAdd(counter, 1u);
      while (*reinterpret_cast<volatile uint32_t*>(counter) < turn * gridDim.x) {
      }
      fence();
    }
    sync_block();
  }
}

inline double launch_time(const Device& device) {
  constexpr int kMany = 1000;
  return 1e3 / kMany * device.time([&] {
    for (int i = 0; i < kMany; ++i) launch({"empty", {1, 1, 1}, 32, 0, device.stream}, empty_kernel, i);
  });
}

// Microseconds per node in a chain of kernels with one block per multiprocessor.
inline double node_time(const Device& device, void (*kernel)(int), bool programmatic) {
  constexpr int kNodes = 200, kReplays = 10;
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(device.properties.multiProcessorCount), config.blockDim = dim3(32);
  config.stream = device.native();
  config.attrs = &attribute, config.numAttrs = programmatic ? 1 : 0;
  // Loads the kernel, which is not allowed during a capture.
  check_cuda(cudaLaunchKernelEx(&config, kernel, 0), "starting a kernel");
  begin_capture(device.stream);
  for (int i = 0; i < kNodes; ++i) check_cuda(cudaLaunchKernelEx(&config, kernel, i), "recording a kernel");
  void* graph = end_capture(device.stream);
  const double milliseconds = device.time([&] {
    for (int i = 0; i < kReplays; ++i) replay(graph, device.stream);
  });
  release_graph(graph);
  return 1e3 * milliseconds / (kNodes * kReplays);
}

inline double barrier_time(const Device& device) {
  constexpr int kBarriers = 2000;
  const Array<uint32_t> counter(1);
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeCooperative;
  attribute.val.cooperative = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(device.properties.multiProcessorCount), config.blockDim = dim3(kThreads);
  config.stream = device.native(), config.attrs = &attribute, config.numAttrs = 1;
  return 1e3 / kBarriers * device.time([&] {
    fill_zero(counter.data(), counter.bytes(), device.stream);
    check_cuda(cudaLaunchKernelEx(&config, barrier_kernel, counter.data(), kBarriers), "starting the barriers");
  });
}

}  // namespace gpt2run::cuda
