// What the tests of the loop share.
#pragma once
#include <cstdint>
#include <numeric>
#include <vector>

namespace gpt2run::test {

// Where the network and the sampler are, and how many bodies run between two waits.
struct Place {
  const char* name;
  bool device, device_sampler;
  int replay = 0;
};

// first, first + 1, ...
inline std::vector<int32_t> counting(int first, int count) {
  std::vector<int32_t> ids(count);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

}  // namespace gpt2run::test
