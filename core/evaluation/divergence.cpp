// Divergences of two softmax distributions, in forms that do not cancel where the rows are nearly equal.
#include "gpt2run/evaluation/divergence.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gpt2run/sdk/log_softmax.hpp"

namespace gpt2run {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// p (exp(-d) - 1 + d), where q = p exp(-d). Near 0 it is a series, whose first omitted term is d^6 / 20160 of the
// result: 5e-17 at the boundary. Far from 0 it is written with q, because exp(-d) may overflow there and nothing
// cancels.
double kl_term(double p, double q, double d) {
  constexpr double kSeries = 0.01;
  if (std::fabs(d) < kSeries)
    return p * (d * d / 2) * (1 - d / 3 * (1 - d / 4 * (1 - d / 5 * (1 - d / 6 * (1 - d / 7)))));
  if (std::fabs(d) < 1) return p * (std::expm1(-d) + d);
  return p * d + (q - p);
}

// (1 + u) log(1 + u) + (1 - u) log(1 - u). Near 0 it is the series u^2 + u^4 / 6 + u^6 / 15 + u^8 / 28.
double js_term(double u) {
  constexpr double kSeries = 0.01;
  if (std::fabs(u) < kSeries) return u * u * (1 + u * u * (1. / 6 + u * u * (1. / 15 + u * u / 28)));
  const auto part = [](double share) { return share > 0 ? share * std::log(share) : 0; };
  if (std::fabs(u) > 0.5) return part(1 + u) + part(1 - u);
  return (1 + u) * std::log1p(u) + (1 - u) * std::log1p(-u);
}

// tanh(h). Near 0 it is a series, whose first omitted term is 62 h^8 / 2835 of the result: 1e-20 at the boundary.
double tanh_of(double h) {
  constexpr double kSeries = 0.005;
  if (std::fabs(h) >= kSeries) return std::tanh(h);
  return h * (1 - h * h * (1. / 3 - h * h * (2. / 15 - h * h * 17 / 315)));
}

double difference(float test, float ref) { return test == ref ? 0 : double(test) - double(ref); }

double ratio(double dot, double ref, double test) {
  if (ref == 0 || test == 0) return ref == test ? 1 : 0;
  return std::clamp(dot / std::sqrt(ref * test), -1., 1.);
}

// Adds the mean squared differences and the cosines of the logits, with and without the rows' means.
void add_logit_metrics(RowDivergence& result, std::span<const float> ref, std::span<const float> test) {
  double sum_ref = 0, sum_test = 0, sum_change = 0;
  int64_t count = 0;
  bool one_sided = false;
  for (size_t i = 0; i < ref.size(); ++i) {
    if (std::isfinite(ref[i]) && std::isfinite(test[i])) {
      sum_ref += ref[i], sum_test += test[i], sum_change += difference(test[i], ref[i]);
      ++count;
    } else {
      one_sided |= ref[i] != test[i];
    }
  }
  const double n = static_cast<double>(std::max<int64_t>(count, 1));
  const double mean_ref = sum_ref / n, mean_test = sum_test / n, mean_change = sum_change / n;
  double squares[2] = {}, dot[2] = {}, norm_ref[2] = {}, norm_test[2] = {};
  for (size_t i = 0; i < ref.size(); ++i) {
    if (!std::isfinite(ref[i]) || !std::isfinite(test[i])) continue;
    const double change = difference(test[i], ref[i]);
    for (const int aligned : {0, 1}) {
      const double r = ref[i] - aligned * mean_ref, t = test[i] - aligned * mean_test;
      const double c = change - aligned * mean_change;
      squares[aligned] += c * c, dot[aligned] += r * t, norm_ref[aligned] += r * r, norm_test[aligned] += t * t;
    }
  }
  result[Metric::logit_mse] = one_sided ? kInfinity : squares[0] / n;
  result[Metric::logit_mse_aligned] = one_sided ? kInfinity : squares[1] / n;
  result[Metric::cosine] = ratio(dot[0], norm_ref[0], norm_test[0]);
  result[Metric::cosine_aligned] = ratio(dot[1], norm_ref[1], norm_test[1]);
}

}  // namespace

DivergenceMeter::DivergenceMeter(int32_t top_k) : top_k_(top_k) {
  if (top_k < 1) fail("expected a top k of at least 1, found ", top_k);
}

void DivergenceMeter::prepare_row(Row& row, std::span<const float> logits, std::string_view side) const {
  row.logits.assign(logits.begin(), logits.end());
  const auto nan = std::ranges::find_if(row.logits, [](double logit) { return std::isnan(logit); });
  if (nan != row.logits.end())
    fail("logits of the ", side, ": expected a number, found NaN for token ", nan - row.logits.begin());
  row.best = most_likely(logits, std::max(top_k_, 2));
  const double greatest = row.logits[row.best.front()];
  if (greatest == -kInfinity) fail("logits of the ", side, ": expected a token with a probability, found none");
  if (greatest == kInfinity)
    for (double& logit : row.logits) logit = logit == kInfinity ? 0 : -kInfinity;
  const double shift = greatest == kInfinity ? 0 : greatest;
  row.masses.resize(row.logits.size());
  row.mass = 0;
  for (size_t i = 0; i < row.logits.size(); ++i) row.mass += row.masses[i] = std::exp(row.logits[i] - shift);
  row.log_sum = shift + std::log(row.mass);
}

void DivergenceMeter::add_information(RowDivergence& result) const {
  const double change = ref_.log_sum - test_.log_sum;
  double ref_test = 0, test_ref = 0, js = 0, tvd = 0, entropy = 0;
  for (int32_t i = 0; i < std::ssize(ref_.logits); ++i) {
    const double a = ref_.logits[i], b = test_.logits[i];
    if (a == -kInfinity && b == -kInfinity) continue;
    const double p = ref_.probability(i), q = test_.probability(i), half = (p + q) / 2;
    const double d = (a - b) - change, u = tanh_of(d / 2);  // u = (p - q) / (p + q)
    if (p > 0) entropy -= p * (a - ref_.log_sum);
    ref_test += b == -kInfinity ? kInfinity : a == -kInfinity ? q : kl_term(p, q, d);
    test_ref += a == -kInfinity ? kInfinity : b == -kInfinity ? p : kl_term(q, p, -d);
    js += half * js_term(u) / 2;
    tvd += half * std::fabs(u);
  }
  result[Metric::kl_ref_test] = ref_test;
  result[Metric::kl_test_ref] = test_ref;
  result[Metric::js] = js;
  result[Metric::tvd] = tvd;
  result.entropy = entropy;
}

RowDivergence DivergenceMeter::compare(std::span<const float> ref, std::span<const float> test, int32_t target) {
  if (ref.size() != test.size())
    fail("expected vocabularies of the same size, found ", ref.size(), " in the reference and ", test.size(),
         " in the test");
  if (target < 0 || target >= std::ssize(ref)) fail("expected a target in [0, ", ref.size(), "), found ", target);
  prepare_row(ref_, ref, "reference");
  prepare_row(test_, test, "test");
  RowDivergence result{};
  add_information(result);
  add_logit_metrics(result, ref, test);
  result.ref_token = ref_.best[0], result.test_token = test_.best[0];
  result.ref_logprob = ref_.logprob(target), result.test_logprob = test_.logprob(target);
  if (ref_.best.size() > 1) {
    const double best = ref_.logits[ref_.best[0]], second = ref_.logits[ref_.best[1]];
    result.margin = best == second ? 0 : best - second;
    result.margin_probability = ref_.probability(ref_.best[0]) - ref_.probability(ref_.best[1]);
  }
  const auto kept = std::min<std::ptrdiff_t>(top_k_, std::ssize(ref_.best));
  const auto in_test = [&](int32_t id) {
    return std::find(test_.best.begin(), test_.best.begin() + kept, id) != test_.best.begin() + kept;
  };
  const auto shared = std::count_if(ref_.best.begin(), ref_.best.begin() + kept, in_test);
  const bool neither = result.ref_logprob == -kInfinity && result.test_logprob == -kInfinity;
  result[Metric::logprob_difference] = neither ? 0 : result.test_logprob - result.ref_logprob;
  result[Metric::top1_agreement] = result.ref_token == result.test_token ? 1 : 0;
  result[Metric::topk_overlap] = double(shared) / double(kept);
  return result;
}

}  // namespace gpt2run
