// The order in which gpt2compare --islands prints parts.
#include "gpt2compare/islands.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace gpt2run {
namespace {

TEST(Islands, TheLargestEffectComesFirstAndNaNLast) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  // Enough of them that an order without rules shows.
  const double restored[] = {0.1, kNone, 0.5, 0.5, kNone, -2, 0.9, kNone, 0.3, 1, kNone, 0, 0.2, kNone, 0.7};
  std::vector<Island> islands;
  for (const double one : restored)
    islands.push_back({Division::layer, "layer" + std::to_string(islands.size()), 0, one});
  sort_by_effect(islands);
  std::vector<std::string> parts;
  for (const Island& island : islands) parts.push_back(island.part.substr(5));
  EXPECT_EQ(parts,
            (std::vector<std::string>{"9", "6", "14", "2", "3", "8", "12", "0", "11", "5", "1", "4", "7", "10", "13"}));
}

}  // namespace
}  // namespace gpt2run
