// runtime.hpp over the CUDA runtime. Included by it, and empty for other compilers.
#pragma once
#if defined(__CUDACC__)
#include <cuda_runtime.h>

#include <algorithm>
#include <string>

#include "gpt2run/cuda/runtime.hpp"

namespace gpt2run::cuda {

inline void check_cuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) fail(what, ": ", cudaGetErrorString(error));
}

// GPT2RUN_CUDA_LEAST: the least compute capability that was compiled for, times ten.
inline Probe probe() {
  int devices = 0, major = 0, minor = 0, newest = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess) return {0, cudaGetErrorString(error)};
  if (devices == 0) return {0, "there is no CUDA device"};
  for (int device = 0; device < devices; ++device) {
    if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
        cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess)
      return {0, "the CUDA device does not tell its compute capability"};
    newest = std::max(newest, major * 10 + minor);
  }
  if (newest >= GPT2RUN_CUDA_LEAST) return {100, "there is a CUDA device"};
  const auto shown = [](int capability) {
    return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
  };
  static const std::string reason = "expected a CUDA device of compute capability " + shown(GPT2RUN_CUDA_LEAST) +
                                    " or above (GPT2RUN_CUDA_ARCHITECTURES), found " + shown(newest);
  return {0, reason.c_str()};
}

inline void use_device(int device) { check_cuda(cudaSetDevice(device), "selecting the CUDA device"); }

inline void* allocate(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes ? bytes : 1);
  if (error != cudaSuccess) fail("no device memory for ", bytes, " bytes: ", cudaGetErrorString(error));
  return memory;
}
inline void release(void* memory) noexcept { cudaFree(memory); }

inline void* allocate_pinned(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaHostAlloc(&memory, bytes ? bytes : 1, cudaHostAllocDefault);
  if (error != cudaSuccess) fail("no pinned host memory for ", bytes, " bytes: ", cudaGetErrorString(error));
  return memory;
}
inline void release_pinned(void* memory) noexcept { cudaFreeHost(memory); }

inline void* make_mark() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making a CUDA event");
  return event;
}
inline void release_mark(void* mark) noexcept { cudaEventDestroy(static_cast<cudaEvent_t>(mark)); }
inline void set_mark(void* mark, void* stream) {
  check_cuda(cudaEventRecord(static_cast<cudaEvent_t>(mark), static_cast<cudaStream_t>(stream)),
             "recording a CUDA event");
}
inline void wait_mark(void* mark) {
  check_cuda(cudaEventSynchronize(static_cast<cudaEvent_t>(mark)), "waiting for a CUDA event");
}

inline void* make_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a CUDA stream");
  return stream;
}
inline void release_stream(void* stream) noexcept { cudaStreamDestroy(static_cast<cudaStream_t>(stream)); }
inline void wait(void* stream) {
  check_cuda(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "waiting for the CUDA device");
}

// From pageable memory: the runtime has taken a copy when it returns.
inline void upload(void* to, const void* host, size_t bytes, void* stream) {
  check_cuda(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, static_cast<cudaStream_t>(stream)),
             "copying to the CUDA device");
}
inline void upload_pinned(void* to, const void* pinned, size_t bytes, void* stream) {
  upload(to, pinned, bytes, stream);
}
inline void download(const void* from, void* host, size_t bytes, void* stream) {
  check_cuda(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, static_cast<cudaStream_t>(stream)),
             "copying from the CUDA device");
  wait(stream);
}
inline void copy(void* to, const void* from, size_t bytes, void* stream) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream)),
             "copying on the CUDA device");
}
inline void copy_rows(void* to, const void* from, size_t bytes, size_t stride, size_t rows, void* stream) {
  check_cuda(cudaMemcpy2DAsync(to, stride, from, stride, bytes, rows, cudaMemcpyDeviceToDevice,
                               static_cast<cudaStream_t>(stream)),
             "copying on the CUDA device");
}
inline void fill_zero(void* to, size_t bytes, void* stream) {
  check_cuda(cudaMemsetAsync(to, 0, bytes, static_cast<cudaStream_t>(stream)), "clearing memory of the CUDA device");
}

inline void begin_capture(void* stream) {
  check_cuda(cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeThreadLocal),
             "recording a CUDA graph");
}
inline void abandon_capture(void* stream) noexcept {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();  // the capture's own error is told by whoever broke it
}
inline void* end_capture(void* stream) {
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph), "recording a CUDA graph");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check_cuda(error, "making a CUDA graph");
  return executable;
}
inline void replay(void* graph, void* stream) {
  check_cuda(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), static_cast<cudaStream_t>(stream)),
             "replaying a CUDA graph");
}
inline void release_graph(void* graph) noexcept { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); }

}  // namespace gpt2run::cuda
#endif
