// Gathering of results at rank 0, in the order of items.
#include "common/ranks/ranked_items.hpp"

#include "common/program/interrupt.hpp"

namespace gpt2run {

std::vector<std::string> gather(Ranks& ranks, std::string own) {
  return ranks.gather(std::move(own), [&] { end_if_asked(ranks, " while other ranks were measuring"); });
}

void gather_items(Ranks& ranks, std::string own, std::span<const size_t> sizes,
                  const std::function<void(size_t, std::string_view)>& take) {
  const std::vector<std::string> all = gather(ranks, std::move(own));
  if (!ranks.is_root()) return;
  std::vector<size_t> expected(all.size());
  for (size_t item = 0; item < sizes.size(); ++item) expected[ranks.owner(item)] += sizes[item];
  for (size_t rank = 0; rank < all.size(); ++rank)
    if (all[rank].size() != expected[rank])
      fail("rank ", rank, ": expected results of ", expected[rank], " bytes, found ", all[rank].size());
  std::vector<std::string_view> left(all.begin(), all.end());
  for (size_t item = 0; item < sizes.size(); ++item) {
    std::string_view& from = left[ranks.owner(item)];
    take(item, from.substr(0, sizes[item]));
    from.remove_prefix(sizes[item]);
  }
}

}  // namespace gpt2run
