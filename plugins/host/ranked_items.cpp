// Shares of the machine, and results brought into order.
#include "host/ranked_items.hpp"

#include <algorithm>

#include "host/interrupt.hpp"
#include "host/ranked_run.hpp"

namespace gpt2run {

Resources resources_of(const Configuration& configuration, Ranks& ranks) {
  const auto by_default = [&](const char* key) { return configuration.layer(key) == Layer::fallback; };
  Generation own;
  own.threads = static_cast<int32_t>(configuration.values().integer("threads"));
  own.device = static_cast<int32_t>(configuration.values().integer("device"));
  if (ranks.size() > 1) share_out(own, ranks, {by_default("device"), by_default("threads"), false});
  return {own.threads, own.device};
}

void share_standard_input(Ranks& ranks, const Configuration& configuration) {
  const auto names_it = [&](const char* key) { return std::ranges::count(configuration.list(key), "-") > 0; };
  const OptionValues& values = configuration.values();
  if (names_it("prompt") || names_it("prompts") || (values.declares("text") && values.text("text") == "-"))
    share_standard_input(ranks);
}

void check_alike(Ranks& ranks, Manifest manifest, std::span<const Prompt> texts) {
  if (ranks.size() == 1) return;
  manifest.prompts.assign(texts.begin(), texts.end());
  check_alike(ranks, manifest);
}

std::vector<std::string> gather(Ranks& ranks, std::string own) {
  return ranks.gather(std::move(own), [] {
    if (interrupted()) fail("interrupted while other ranks were measuring");
  });
}

void append_text(std::string& bytes, std::string_view text) {
  append_value(bytes, text.size());
  bytes += text;
}

std::string take_text(std::string_view& bytes) {
  const auto size = take_value<size_t>(bytes);
  if (bytes.size() < size) fail("results of a rank: expected a text of ", size, " bytes, found ", bytes.size());
  std::string text(bytes.substr(0, size));
  bytes.remove_prefix(size);
  return text;
}

void gather_items(Ranks& ranks, std::string own, std::span<const size_t> sizes,
                  const std::function<void(size_t, std::string_view)>& take) {
  const std::vector<std::string> all = gather(ranks, std::move(own));
  if (!ranks.speaks()) return;
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
