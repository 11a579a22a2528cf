// How much a device moves and multiplies.
#pragma once
#include <cublasLt.h>

#include "device.hpp"

namespace gpt2run::cuda {

inline constexpr size_t kBytes = size_t{4} << 30;  // far beyond any cache

GPT2RUN_KERNEL(kThreads) fill_kernel(uint32_t* values, size_t count) {
  const size_t step = size_t{blockDim.x} * gridDim.x;
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    uint32_t x = static_cast<uint32_t>(i) * 2654435761u;
    values[i] = x ^ x >> 15;
  }
}

// Values near 1 of any of the three types, never zeros: some devices are faster on them.
template <class Value>
GPT2RUN_KERNEL(kThreads)
fill_values(Value* values, size_t count) {
  const size_t step = size_t{blockDim.x} * gridDim.x;
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step)
    values[i] = Value(static_cast<float>((static_cast<uint32_t>(i) * 2654435761u) >> 8) * 0x1p-23f - 1.0f);
}

GPT2RUN_KERNEL(kThreads) read_kernel(const uint4* values, size_t count, uint32_t* result) {
  const size_t step = size_t{blockDim.x} * gridDim.x;
  uint32_t sum = 0;
  size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (; i + 7 * step < count; i += 8 * step) {
    uint4 four[8];
    GPT2RUN_UNROLL
    for (int k = 0; k < 8; ++k) four[k] = values[i + k * step];
    GPT2RUN_UNROLL
    for (int k = 0; k < 8; ++k) sum ^= four[k].x ^ four[k].y ^ four[k].z ^ four[k].w;
  }
  if (sum == 1) *result = sum;  // so that the loads have a use
}

inline double read_rate(const Device& device) {
  const Array<char> memory(kBytes);
  const Array<uint32_t> result(1);
  auto* words = reinterpret_cast<uint32_t*>(memory.data());
  launch({"fill", {device.blocks(), 1, 1}, kThreads, 0, device.stream}, fill_kernel, words, kBytes / 4);
  const double milliseconds = device.time([&] {
    launch({"read", {device.blocks(), 1, 1}, kThreads, 0, device.stream}, read_kernel,
           reinterpret_cast<const uint4*>(memory.data()), kBytes / 16, result.data());
  });
  return kBytes / milliseconds * 1e-6;
}

inline double copy_rate(const Device& device) {
  const Array<char> from(kBytes), to(kBytes);
  launch({"fill", {device.blocks(), 1, 1}, kThreads, 0, device.stream}, fill_kernel,
         reinterpret_cast<uint32_t*>(from.data()), kBytes / 4);
  return 2 * kBytes / device.time([&] { copy(to.data(), from.data(), kBytes, device.stream); }) * 1e-6;
}

inline void check_blas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) fail(what, ": ", cublasLtGetStatusString(status));
}

template <class Value>
double matmul_rate(const Device& device, cudaDataType_t type) {
  constexpr int n = 8192;
  constexpr size_t kWorkspace = size_t{32} << 20;
  const Array<Value> a(size_t{n} * n), b(a.size()), c(a.size());
  const Array<char> workspace(kWorkspace);
  for (const Array<Value>* matrix : {&a, &b})
    launch({"fill", {device.blocks(), 1, 1}, kThreads, 0, device.stream}, fill_values<Value>, matrix->data(), a.size());
  cublasLtHandle_t handle;
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t layout;
  cublasLtMatmulPreference_t preference;
  check_blas(cublasLtCreate(&handle), "opening cuBLASLt");
  check_blas(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
  const cublasOperation_t turned = CUBLAS_OP_T;
  check_blas(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof turned), "turning");
  check_blas(cublasLtMatrixLayoutCreate(&layout, type, n, n, n), "describing a matrix");
  check_blas(cublasLtMatmulPreferenceCreate(&preference), "preferring");
  check_blas(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &kWorkspace,
                                                  sizeof kWorkspace),
             "preferring");
  cublasLtMatmulHeuristicResult_t best;
  int found = 0;
  check_blas(
      cublasLtMatmulAlgoGetHeuristic(handle, product, layout, layout, layout, layout, preference, 1, &best, &found),
      "choosing a product");
  if (found == 0) fail("cuBLASLt knows no such product");
  const float one = 1, zero = 0;
  const double milliseconds = device.time([&] {
    check_blas(cublasLtMatmul(handle, product, &one, a.data(), layout, b.data(), layout, &zero, c.data(), layout,
                              c.data(), layout, &best.algo, workspace.data(), kWorkspace, device.native()),
               "a product");
  });
  return 2.0 * n * n * n / milliseconds * 1e-9;
}

}  // namespace gpt2run::cuda
