// The device that is measured. Times are taken with events around the work; the best of several after a warm-up counts.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>

#include "gpt2run/sdk/cuda/device.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"

namespace gpt2run::cuda {

inline constexpr int kTimings = 7, kThreads = 512;

struct Device {
  Device() {
    open_device(0);
    stream = make_stream();
    check_cuda(cudaGetDeviceProperties(&properties, 0), "asking for the device");
    check_cuda(cudaEventCreate(&begin), "making an event");
    check_cuda(cudaEventCreate(&end), "making an event");
  }
  cudaStream_t native() const { return static_cast<cudaStream_t>(stream); }
  int blocks() const { return properties.multiProcessorCount * 4; }

  // The best time in milliseconds.
  double time(const std::function<void()>& work) const {
    float best = INFINITY;
    work();
    for (int i = 0; i < kTimings; ++i) {
      float milliseconds = 0;
      check_cuda(cudaEventRecord(begin, native()), "recording an event");
      work();
      check_cuda(cudaEventRecord(end, native()), "recording an event");
      wait(stream);
      check_cuda(cudaEventElapsedTime(&milliseconds, begin, end), "reading a time");
      best = std::min(best, milliseconds);
    }
    return best;
  }

  void* stream = nullptr;
  cudaDeviceProp properties{};
  cudaEvent_t begin{}, end{};
};

}  // namespace gpt2run::cuda
