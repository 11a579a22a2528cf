// Sums a row by loops that compilers vectorise. A lens reads every layer at every position, so that its time is that of
// the head's product only if this is fast.
#include "row_reading.hpp"

#include <cmath>
#include <limits>

#include "gpt2run/sdk/log_softmax.hpp"

namespace gpt2run {
namespace {

constexpr size_t kLanes = 64;  // sums that run side by side

// The sum of exp(logit - greatest).
[[gnu::always_inline]] inline double sum_loop(std::span<const float> logits, double greatest) {
  double sums[kLanes] = {};
  for (size_t begin = 0; begin < logits.size(); begin += kLanes) {
    const size_t count = std::min(kLanes, logits.size() - begin);
    for (size_t lane = 0; lane < count; ++lane) sums[lane] += exp_nonpositive(logits[begin + lane] - greatest);
  }
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum;
}

[[gnu::always_inline]] inline int32_t rank_loop(std::span<const float> logits, size_t given) {
  const float logit = logits[given];
  int32_t before = 0;
  for (size_t id = 0; id < given; ++id) before += logits[id] >= logit;
  for (size_t id = given + 1; id < logits.size(); ++id) before += logits[id] > logit;
  return before + 1;
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] double sum_avx2(std::span<const float> logits, double greatest) {
  return sum_loop(logits, greatest);
}
[[gnu::target("avx2,fma")]] int32_t rank_avx2(std::span<const float> logits, size_t given) {
  return rank_loop(logits, given);
}
double exponentials(std::span<const float> logits, double greatest) {
  return detail::has_avx2() ? sum_avx2(logits, greatest) : sum_loop(logits, greatest);
}
int32_t rank_among(std::span<const float> logits, size_t given) {
  return detail::has_avx2() ? rank_avx2(logits, given) : rank_loop(logits, given);
}
#else
double exponentials(std::span<const float> logits, double greatest) { return sum_loop(logits, greatest); }
int32_t rank_among(std::span<const float> logits, size_t given) { return rank_loop(logits, given); }
#endif

}  // namespace

RowReading read_row(std::span<const float> logits, int count, int32_t given) {
  const std::vector<int32_t> ids = most_likely(logits, count);
  // A NaN or +infinity comes first in the order.
  if (ids.empty() || !is_usable(order_key(logits[ids[0]]))) return {{}, std::numeric_limits<float>::quiet_NaN(), 0};
  const double greatest = logits[ids[0]];
  const double log_sum = greatest + std::log(exponentials(logits, greatest));
  const int32_t token = given < 0 ? ids[0] : given;
  RowReading reading{{}, static_cast<float>(logits[token] - log_sum), given < 0 ? 1 : rank_among(logits, token)};
  for (const int32_t id : ids) reading.top.push_back({id, static_cast<float>(logits[id] - log_sum)});
  return reading;
}

}  // namespace gpt2run
