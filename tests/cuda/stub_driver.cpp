// A driver and devices that are not there, for the words that users see: stands in for libcuda.so.1, and preloaded for
// the calls of the CUDA runtime that ask for devices. GPT2RUN_STUB_DEVICES: compute capabilities times ten, blank
// between; empty is a driver without a device.
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::vector<int> devices() {
  const char* text = std::getenv("GPT2RUN_STUB_DEVICES");
  std::istringstream words(text ? text : "");
  std::vector<int> all;
  for (int one; words >> one;) all.push_back(one);
  return all;
}

}  // namespace

extern "C" {

int cudaGetDeviceCount(int* count) {
  constexpr int kNoDevice = 100;
  *count = static_cast<int>(devices().size());
  return *count ? 0 : kNoDevice;
}

int cudaDeviceGetAttribute(int* value, int attribute, int device) {
  constexpr int kMajor = 75;
  const int capability = devices().at(static_cast<size_t>(device));
  *value = attribute == kMajor ? capability / 10 : capability % 10;
  return 0;
}
}
