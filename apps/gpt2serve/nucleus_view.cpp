// The steps of select_nucleus() on the whole row, with the same integers.
#include "gpt2serve/nucleus_view.hpp"

#include <algorithm>

namespace gpt2run {
namespace {

// The ranks of all tokens, the greatest first.
std::vector<uint64_t> ranks_of(std::span<const float> logits) {
  std::vector<uint64_t> ranks(logits.size());
  for (size_t id = 0; id < logits.size(); ++id) ranks[id] = rank_of(order_key(logits[id]), static_cast<int32_t>(id));
  std::ranges::sort(ranks, std::greater<>());
  return ranks;
}

}  // namespace

NucleusView::NucleusView(std::span<const float> logits, const SelectSpec& spec) {
  check(spec);
  if (logits.empty() || std::ssize(logits) > kMaxVocab) fail("expected a row of 1 to ", kMaxVocab, " logits");
  const std::vector<uint64_t> ranks = ranks_of(logits);
  const auto greatest = static_cast<uint32_t>(ranks[0] >> 32);
  if (!is_usable(greatest)) fail("expected a row from which a token can be chosen, found NaN or infinity");
  scaled.resize(logits.size()), chance.resize(logits.size()), cut.resize(logits.size(), Cut::none);
  if (spec.temperature == 0) {
    std::ranges::fill(cut, Cut::temperature);
    const int32_t best = id_of(ranks[0]);
    scaled[best] = chance[best] = kept_probability = 1, cut[best] = Cut::none, kept = 1;
    return;
  }
  std::vector<uint64_t> masses(ranks.size());  // in the order of ranks
  detail::masses(ranks, logit_of(greatest), spec.temperature, masses.data());
  uint64_t all = 0, left = 0;
  for (const uint64_t mass : masses) all += mass;
  const size_t top_k = spec.top_k > 0 ? std::min<size_t>(spec.top_k, ranks.size()) : ranks.size();
  const uint64_t least = least_mass(spec.min_p);
  for (size_t i = 0; i < ranks.size(); ++i) {
    Cut& own = cut[id_of(ranks[i])];
    own = i >= top_k ? Cut::top_k : masses[i] < least ? Cut::min_p : Cut::none;
    if (own == Cut::none) left += masses[i];
  }
  const uint64_t top_p = fixed_top_p(spec.top_p), target = top_p_target(top_p, left);
  uint64_t sum = 0, drawn = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    Cut& own = cut[id_of(ranks[i])];
    if (own != Cut::none) continue;
    if (top_p != kKeepAll && i > 0 && sum >= target) own = Cut::top_p;
    sum += masses[i];
    if (own == Cut::none) drawn += masses[i];
  }
  for (size_t i = 0; i < ranks.size(); ++i) {
    const int32_t id = id_of(ranks[i]);
    scaled[id] = static_cast<double>(masses[i]) / static_cast<double>(all);
    if (cut[id] != Cut::none || masses[i] == 0) continue;
    chance[id] = static_cast<double>(masses[i]) / static_cast<double>(drawn);
    kept_probability += scaled[id], ++kept;
  }
}

}  // namespace gpt2run
