// Measurements that are shared among ranks: rank i mod size measures item i. Rank 0 then processes all results in the
// order of items, so that its sums equal those of a single process bit for bit.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/ranks/rank_bytes.hpp"
#include "common/ranks/ranks.hpp"

namespace gpt2run {

// Collects the results of all items at rank 0. Every rank must call it. own: the concatenated results of this rank's
// items. sizes: the bytes of each item's results, for the items of all ranks. take: called at rank 0 for each item in
// order. Rank 0 holds all results in memory meanwhile. Throws Error naming a rank whose results have another size, and
// Error when an interrupt ends the wait.
void gather_items(Ranks& ranks, std::string own, std::span<const size_t> sizes,
                  const std::function<void(size_t item, std::string_view bytes)>& take);

// ranks.gather() that throws Error after an interrupt.
std::vector<std::string> gather(Ranks& ranks, std::string own);

}  // namespace gpt2run
