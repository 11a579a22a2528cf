// A substitute for the driver libcuda.so.1 and, if it is preloaded, for the CUDA runtime's functions that a run calls.
// It shows which messages users get. Its memory is the host's, and its kernels do nothing.
//   GPT2RUN_STUB_DEVICES  compute capabilities times ten, separated by spaces; empty: a driver without a device
//   GPT2RUN_STUB_ERROR    a function and the error that it returns: "cudaMalloc 2"
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::istringstream words_of(const char* variable) {
  const char* text = std::getenv(variable);
  return std::istringstream(text ? text : "");
}

std::vector<int> devices() {
  std::istringstream words = words_of("GPT2RUN_STUB_DEVICES");
  std::vector<int> all;
  for (int one; words >> one;) all.push_back(one);
  return all;
}

// The result that the function of this name must return.
int result(const char* call) {
  std::istringstream words = words_of("GPT2RUN_STUB_ERROR");
  std::string name;
  int error = 0;
  words >> name >> error;
  return name == call ? error : 0;
}

int own_memory(void** memory, size_t bytes, const char* call) {
  if (const int error = result(call)) return error;
  *memory = std::calloc(1, bytes);
  return 0;
}

int some_handle(void** handle, const char* call) {
  static int any;
  *handle = &any;
  return result(call);
}

}  // namespace

extern "C" {

int cudaGetDeviceCount(int* count) {
  constexpr int kNoDevice = 100;
  *count = static_cast<int>(devices().size());
  if (const int error = result(__func__)) return error;
  return *count ? 0 : kNoDevice;
}

int cudaDeviceGetAttribute(int* value, int attribute, int device) {
  constexpr int kMajor = 75;
  const int capability = devices().at(static_cast<size_t>(device));
  *value = attribute == kMajor ? capability / 10 : capability % 10;
  return 0;
}

int cudaDriverGetVersion(int* version) {
  *version = 12040;
  return 0;
}

int cudaSetDevice(int) { return result(__func__); }
int cudaGetDevice(int* device) {
  *device = 0;
  return 0;
}

int cudaMalloc(void** memory, size_t bytes) { return own_memory(memory, bytes, __func__); }
int cudaHostAlloc(void** memory, size_t bytes, unsigned) { return own_memory(memory, bytes, __func__); }
int cudaFree(void* memory) {
  std::free(memory);
  return 0;
}
int cudaFreeHost(void* memory) { return cudaFree(memory); }
int cudaMemGetInfo(size_t* free, size_t* total) {
  *free = 4096, *total = 8192;
  return 0;
}

int cudaStreamCreateWithFlags(void** stream, unsigned) { return some_handle(stream, __func__); }
int cudaStreamDestroy(void*) { return 0; }
int cudaStreamSynchronize(void*) { return result(__func__); }
int cudaEventCreateWithFlags(void** event, unsigned) { return some_handle(event, __func__); }
int cudaEventDestroy(void*) { return 0; }
int cudaEventRecord(void*, void*) { return result(__func__); }
int cudaEventSynchronize(void*) { return result(__func__); }

int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int, void*) {
  std::memcpy(to, from, bytes);
  return result(__func__);
}
int cudaMemsetAsync(void* to, int value, size_t bytes, void*) {
  std::memset(to, value, bytes);
  return result(__func__);
}
int cudaLaunchKernelExC(const void*, const void*, void**) { return result(__func__); }
}
