// The functions of runtime.hpp, implemented with the CUDA runtime. runtime.hpp includes this file; for other compilers
// it is empty.
#pragma once
#if defined(__CUDACC__)
#include <algorithm>
#include <string>

#include "gpt2run/sdk/cuda/errors_cuda.hpp"

namespace gpt2run::cuda {

// A clause for messages if CUDA_VISIBLE_DEVICES is set, else "".
inline std::string hidden_devices() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible ? std::string(" (CUDA_VISIBLE_DEVICES=") + visible + " hides the others)" : "";
}

// GPT2RUN_CUDA_LEAST: the lowest compute capability that the kernels were compiled for, times ten.
inline std::string too_old(int capability) {
  return "expected a CUDA device of compute capability " + shown_capability(GPT2RUN_CUDA_LEAST) +
         " or above (GPT2RUN_CUDA_ARCHITECTURES), found " + shown_capability(capability);
}

// Why there is no device.
inline std::string no_devices(cudaError_t error) {
  const std::string text = cudaGetErrorString(error);
  if (error != cudaErrorInsufficientDriver) return text + hidden_devices();
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver), cudaRuntimeGetVersion(&runtime);
  const auto shown = [](int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  };
  return text + ": expected a driver for CUDA " + shown(runtime) + ", found " +
         (driver == 0 ? "none" : "one for " + shown(driver));
}

// Why no device can run the compiled kernels, or "" if one can.
inline std::string no_use() {
  int devices = 0, newest = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) return no_devices(error == cudaSuccess ? cudaErrorNoDevice : error);
  for (int device = 0; device < devices; ++device) newest = std::max(newest, capability_of(device));
  if (newest >= GPT2RUN_CUDA_LEAST) return "";
  return newest > 0 ? too_old(newest) : "the CUDA device does not tell its compute capability";
}

inline Probe probe() {
  static const std::string reason = no_use();  // static, because Probe::reason must stay valid
  if (reason.empty()) return {100, "there is a CUDA device"};
  return {0, reason.c_str()};
}

inline void open_device(int device) {
  const std::string name = "CUDA device " + std::to_string(device);
  int devices = 0;
  check_cuda(cudaGetDeviceCount(&devices), "counting CUDA devices");
  if (device < 0 || device >= devices)
    fail(name, ": expected one of ", devices, " counted from 0, found none", hidden_devices());
  if (capability_of(device) < GPT2RUN_CUDA_LEAST) fail(name, ": ", too_old(capability_of(device)));
  check_cuda(cudaSetDevice(device), name);
}
inline void use_device(int device) {
  int current = -1;
  if (cudaGetDevice(&current) == cudaSuccess && current == device) return;
  check_cuda(cudaSetDevice(device), "selecting the CUDA device");
}

inline void* allocate(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes ? bytes : 1);
  if (error == cudaSuccess) return memory;
  size_t free = 0, total = 0;
  if (error != cudaErrorMemoryAllocation || cudaMemGetInfo(&free, &total) != cudaSuccess)
    check_cuda(error, "taking memory of the CUDA device");
  fail("expected ", bytes, " bytes of device memory, found ", free, " of ", total,
       " free: ", cudaGetErrorString(error));
}
inline void release(void* memory) noexcept { cudaFree(memory); }

inline void set_read_only(const void*) {}

// The wait is compiled in from compute capability 9.0 on. Graphs have such edges from CUDA 12.3 on.
inline std::string why_no_dependent_launch(int device) {
  const int capability = capability_of(device);
  if (capability < 90)
    return "expected a CUDA device of compute capability 9.0 or above, found " + shown_capability(capability);
  if (CUDART_VERSION < 12030) return "expected a build with CUDA 12.3 or newer";
  for (const int architecture : {__CUDA_ARCH_LIST__})
    if (architecture >= 900 && architecture / 10 <= capability) return "";
  return "expected kernels that are built for compute capability 9.0 or above (GPT2RUN_CUDA_ARCHITECTURES)";
}

inline void* allocate_pinned(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaHostAlloc(&memory, bytes ? bytes : 1, cudaHostAllocDefault);
  if (error != cudaSuccess) fail("no pinned host memory for ", bytes, " bytes: ", cudaGetErrorString(error));
  return memory;
}
inline void release_pinned(void* memory) noexcept { cudaFreeHost(memory); }

inline void* make_event() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making a CUDA event");
  return event;
}
inline void release_event(void* event) noexcept { cudaEventDestroy(static_cast<cudaEvent_t>(event)); }
inline void record_event(void* event, void* stream) {
  check_cuda(cudaEventRecord(static_cast<cudaEvent_t>(event), static_cast<cudaStream_t>(stream)),
             "recording a CUDA event");
}
inline void wait_event(void* event) {
  check_cuda(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "waiting for a CUDA event");
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

inline void enqueue_upload(void* to, const void* host, size_t bytes, void* stream) {
  check_cuda(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, static_cast<cudaStream_t>(stream)),
             "copying to the CUDA device");
}
// cudaMemcpyAsync may return early for pageable memory on a device that can read it directly, without a staging copy.
// The host's memory is then free only when the copy has ended, so this waits.
inline void upload(void* to, const void* host, size_t bytes, void* stream) {
  enqueue_upload(to, host, bytes, stream);
  wait(stream);
}
inline void upload_pinned(void* to, const void* pinned, size_t bytes, void* stream) {
  enqueue_upload(to, pinned, bytes, stream);
}
inline void enqueue_download(const void* from, void* host, size_t bytes, void* stream) {
  check_cuda(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, static_cast<cudaStream_t>(stream)),
             "copying from the CUDA device");
}
inline void download(const void* from, void* host, size_t bytes, void* stream) {
  enqueue_download(from, host, bytes, stream);
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
  cudaGetLastError();  // clears the error: what broke the capture has already been thrown
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
