// The rates at which a device reads and copies memory and multiplies matrices.
#pragma once
#include "../../../precisions/cuda/gemm.hpp"
#include "device.hpp"

namespace gpt2run::cuda {

inline constexpr size_t kBytes = size_t{4} << 30;  // much more than any cache

GPT2RUN_KERNEL(kThreads) fill_kernel(uint32_t* values, size_t count) {
  const size_t step = size_t{blockDim.x} * gridDim.x;
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    uint32_t x = static_cast<uint32_t>(i) * 2654435761u;
    values[i] = x ^ x >> 15;
  }
}

// Values from -1 to 1 in any of the three types. They are almost never zero, because some devices multiply zeros
// faster.
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
  const auto add = [&](const uint4& four) { sum ^= four.x ^ four.y ^ four.z ^ four.w; };
  size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (; i + 7 * step < count; i += 8 * step) {
    uint4 fours[8];
    GPT2RUN_UNROLL
    for (int k = 0; k < 8; ++k) fours[k] = values[i + k * step];
    GPT2RUN_UNROLL
    for (int k = 0; k < 8; ++k) add(fours[k]);
  }
  for (; i < count; i += step) add(values[i]);
  if (sum == 1) *result = sum;  // keeps the compiler from removing the loads
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

// The rate of cuBLASLt in the way sessions use it: FP32 sums and output, no TF32.
template <class Value>
double matmul_rate(const Device& device, Gemm& library, Type type) {
  constexpr int n = 8192;
  const Array<Value> a(size_t{n} * n), b(a.size());
  const Array<float> c(a.size());
  for (const Array<Value>* matrix : {&a, &b})
    launch({"fill", {device.blocks(), 1, 1}, kThreads, 0, device.stream}, fill_values<Value>, matrix->data(), a.size());
  const GemmProblem product = {.type = type,
                               .in = a.data(),
                               .weights = b.data(),
                               .bias = nullptr,
                               .out = c.data(),
                               .rows = n,
                               .outputs = n,
                               .inputs = n,
                               .out_stride = n,
                               .adds = false};
  return 2.0 * n * n * n / device.time([&] { library.multiply(product, device.stream); }) * 1e-9;
}

}  // namespace gpt2run::cuda
