// Errors of the CUDA runtime as one line: what was being done, the runtime's message, and what to do about it. The
// headers for devices include this file; for other compilers it is empty.
#pragma once
#if defined(__CUDACC__)
#include <cuda_runtime.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "gpt2run/error.hpp"

namespace gpt2run::cuda {

// "9.0" for 90.
inline std::string shown_capability(int capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

// The compute capability times ten, or 0 if the device does not tell.
inline int capability_of(int device) {
  int major = 0, minor = 0;
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess)
    return 0;
  return major * 10 + minor;
}

// True for the error of a kernel that failed while it ran. Such an error is sticky: from then on every CUDA call of the
// process returns it.
inline bool is_of_a_kernel(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
      return true;
    default:
      return false;
  }
}

// True if launches wait for their kernels, so that an error of a launch belongs to that kernel.
inline bool launches_block() {
  const char* value = std::getenv("CUDA_LAUNCH_BLOCKING");
  return value && std::string(value) == "1";
}

// Throws Error unless the argument is cudaSuccess. what: the action that failed, such as "copying to the CUDA device".
inline void check_cuda(cudaError_t error, std::string_view what) {
  if (error == cudaSuccess) return;
  if (is_of_a_kernel(error) && !launches_block())
    fail(what, ": an earlier kernel failed: ", cudaGetErrorString(error),
         "; with CUDA_LAUNCH_BLOCKING=1 in the environment it is named");
  fail(what, ": ", cudaGetErrorString(error));
}

// As check_cuda, for the launch of a kernel.
inline void check_launch(cudaError_t error, const char* kernel) {
  if (error == cudaSuccess) return;
  const std::string what = std::string("kernel ") + kernel;
  if (error != cudaErrorNoKernelImageForDevice) check_cuda(error, what);
  std::string built;
  for (const int architecture : {__CUDA_ARCH_LIST__})
    built += (built.empty() ? "" : ", ") + shown_capability(architecture / 10);
  int device = 0;
  cudaGetDevice(&device);
  fail(what, ": expected a CUDA device of a capability that it is built for, ", built,
       " (GPT2RUN_CUDA_ARCHITECTURES), found ", shown_capability(capability_of(device)));
}

}  // namespace gpt2run::cuda
#endif
