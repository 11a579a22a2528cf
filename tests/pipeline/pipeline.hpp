// What the tests of the loop share.
#pragma once
#include <cstdint>
#include <numeric>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run::test {

inline constexpr ModelConfig kShape{
    .L = 1, .H = 1, .C = 2, .F = 2, .V = 40, .T = 64, .end_of_text = 39, .epsilon = 1e-5f};

// Where the network and the sampler are, and how many bodies run between two looks.
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
