// Measurements on several ranks: item i of what is measured is done by rank i mod size, and rank 0 sees the results of
// all in the order of items, so that what it sums it sums as one process would.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/ranks/rank_bytes.hpp"
#include "common/ranks/ranks.hpp"

namespace gpt2run {

// Called by every rank. own: the results of this rank's items, one behind the other. sizes: bytes of every item's
// results, of all ranks'. take: called at rank 0 for every item in order. Waiting ends in an Error after an interrupt.
// Throws Error naming the rank whose results have another size. Rank 0 holds the bytes of all meanwhile.
void gather_items(Ranks& ranks, std::string own, std::span<const size_t> sizes,
                  const std::function<void(size_t item, std::string_view bytes)>& take);

// ranks.gather(), which ends in an Error after an interrupt.
std::vector<std::string> gather(Ranks& ranks, std::string own);

}  // namespace gpt2run
