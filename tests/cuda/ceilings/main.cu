// cuda_ceilings: prints the limits of the first device as one JSON object. Every figure is the best of several timings
// with events after a warm-up:
//   read_gb_s, copy_gb_s   memory read by plain 16-byte loads; copied, reads and writes counted
//   matmul_tflops          cuBLASLt, 8192^3, FP32 sums and output (no TF32), on random values; null without the library
//   launch_us              one of many empty kernels on a stream
//   graph_node_us          one empty kernel node of a replayed chain
//   pdl_edge_us            the same with programmatic edges
//   grid_barrier_us        one barrier of all blocks, one block per multiprocessor, a counter in device memory
// If anything fails, it prints one line to standard error and exits with code 1.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "latencies.hpp"
#include "rates.hpp"

namespace gpt2run::cuda {
namespace {

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// The rates as JSON, or null without the library: the other figures are useful without it.
std::string matmul_rates(const Device& device) try {
  const std::unique_ptr<Gemm> library = open_gemm();
  const std::string bf16 =
      device.properties.major < 8 ? "null" : shown(matmul_rate<__nv_bfloat16>(device, *library, Type::bf16));
  return "{\"fp32\": " + shown(matmul_rate<float>(device, *library, Type::f32)) +
         ", \"fp16\": " + shown(matmul_rate<__half>(device, *library, Type::f16)) + ", \"bf16\": " + bf16 + "}";
} catch (const Error& error) {
  std::fprintf(stderr, "cuda_ceilings: no products: %s\n", error.what());
  return "null";
}

void measure() {
  const Device device;
  const cudaDeviceProp& p = device.properties;
  int runtime = 0, driver = 0;
  check_cuda(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version");
  check_cuda(cudaDriverGetVersion(&driver), "asking for the driver's version");
  std::printf("{\"device\": \"%s\", \"capability\": \"%d.%d\", \"multiprocessors\": %d, \"l2_bytes\": %d, ", p.name,
              p.major, p.minor, p.multiProcessorCount, p.l2CacheSize);
  std::printf("\"runtime\": %d, \"driver\": %d,\n", runtime, driver);
  std::printf(" \"read_gb_s\": %.1f, \"copy_gb_s\": %.1f,\n", read_rate(device), copy_rate(device));
  std::printf(" \"matmul_tflops\": %s,\n", matmul_rates(device).c_str());
  std::printf(" \"launch_us\": %.3f, \"graph_node_us\": %.3f, ", launch_time(device),
              node_time(device, empty_kernel, false));
  if (p.major >= 9) std::printf("\"pdl_edge_us\": %.3f, ", node_time(device, programmatic_kernel, true));
  if (p.major < 9) std::printf("\"pdl_edge_us\": null, ");
  std::printf("\"grid_barrier_us\": %.3f}\n", barrier_time(device));
}

}  // namespace
}  // namespace gpt2run::cuda

int main() {
  try {
    gpt2run::cuda::measure();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_ceilings: error: %s\n", error.what());
    return 1;
  }
}
