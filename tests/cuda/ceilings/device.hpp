// The device that is measured, and how: events around the work, the median of several timings after a warm-up.
#pragma once
#include <algorithm>
#include <functional>
#include <vector>

#include "gpt2run/cuda/device.hpp"
#include "gpt2run/cuda/runtime.hpp"

namespace gpt2run::cuda {

inline constexpr int kTimings = 7, kThreads = 512;

struct Device {
  Device() {
    use_device(0);
    stream = make_stream();
    check_cuda(cudaGetDeviceProperties(&properties, 0), "asking for the device");
    check_cuda(cudaEventCreate(&begin), "making an event");
    check_cuda(cudaEventCreate(&end), "making an event");
  }
  cudaStream_t native() const { return static_cast<cudaStream_t>(stream); }
  int blocks() const { return properties.multiProcessorCount * 4; }

  // Median milliseconds.
  double time(const std::function<void()>& work) const {
    std::vector<float> times(kTimings);
    work();
    for (float& milliseconds : times) {
      check_cuda(cudaEventRecord(begin, native()), "recording an event");
      work();
      check_cuda(cudaEventRecord(end, native()), "recording an event");
      wait(stream);
      check_cuda(cudaEventElapsedTime(&milliseconds, begin, end), "reading a time");
    }
    std::sort(times.begin(), times.end());
    return times[kTimings / 2];
  }

  void* stream = nullptr;
  cudaDeviceProp properties{};
  cudaEvent_t begin{}, end{};
};

}  // namespace gpt2run::cuda
