// Scores the windows with one session at a time. The session computes the log-probabilities, so that logits are not
// copied.
#include "gpt2perplexity/measure.hpp"

#include <cmath>
#include <numbers>

#include "common/config/create.hpp"
#include "gpt2run/evaluation/statistics.hpp"
#include "gpt2run/evaluation/teacher_forcing.hpp"

namespace gpt2run {
namespace {

constexpr int32_t kChunk = 128;  // rows per step: enough for fast products, few enough to keep the logits small

// The position of a target, for messages: its text and the token's number.
std::string place_of(const Work& work, const ScoredWindow& window, int32_t target) {
  const Prompt& text = work.texts[window.text];
  return (text.origin.empty() ? "text " + std::to_string(window.text + 1) : text.origin) + ", token " +
         std::to_string(window.begin + target);
}

Estimate estimate_of(const std::vector<double>& values) {
  return {mean_of(values), standard_error_of(values), batch_standard_error_of(values)};
}

}  // namespace

int64_t Work::targets() const {
  int64_t count = 0;
  for (const ScoredWindow& window : windows) count += window.length - window.first;
  return count;
}

int64_t Work::rows(const Ranks& ranks) const {
  int64_t count = 0;
  for (size_t w = 0; w < windows.size(); ++w)
    if (ranks.owns(w)) count += windows[w].length - 1;
  return count;
}

std::optional<int64_t> bytes_of(const Work& work, const Tokenizer* tokenizer) {
  if (!tokenizer) return std::nullopt;
  int64_t bytes = 0;
  for (const ScoredWindow& window : work.windows) {
    const std::vector<int32_t>& tokens = work.texts[window.text].tokens;
    for (int32_t i = window.first; i < window.length; ++i) {
      const int32_t id = tokens[static_cast<size_t>(window.begin + i)];
      if (id >= tokenizer->size()) return std::nullopt;
      bytes += std::ssize(tokenizer->piece(id));
    }
  }
  return bytes;
}

std::vector<double> nll_of(const BoundPlugin& precision, const Checkpoint& checkpoint, const Work& work,
                           const Resources& resources, Ranks& ranks, const std::function<void(int64_t)>& progress) {
  int32_t longest = 0;
  for (const ScoredWindow& window : work.windows) longest = std::max(longest, window.length);
  const auto maker = create<Precision>(precision);
  const auto session =
      maker->open(checkpoint, teacher_forcing_limits(longest, kChunk, resources.threads, resources.device));
  TeacherForcing forced(*session, kChunk);
  std::string own;
  std::vector<size_t> sizes;
  for (const ScoredWindow& window : work.windows) {
    const bool mine = ranks.owns(sizes.size());
    sizes.push_back(static_cast<size_t>(window.length - window.first) * sizeof(double));
    if (!mine) continue;
    const std::span<const int32_t> tokens(work.texts[window.text].tokens);
    const std::vector<float> logprobs = forced.logprobs(
        tokens.subspan(static_cast<size_t>(window.begin), static_cast<size_t>(window.length)), window.first);
    for (size_t i = 0; i < logprobs.size(); ++i) {
      if (std::isnan(logprobs[i]))
        fail(instance_name(precision), ": ", place_of(work, window, window.first + static_cast<int32_t>(i)),
             ": expected a log-probability, found NaN");
      append_value(own, -static_cast<double>(logprobs[i]));
    }
    progress(window.length - 1);
  }
  std::vector<double> nll;
  if (ranks.is_root()) nll.reserve(static_cast<size_t>(work.targets()));
  gather_items(ranks, std::move(own), sizes, [&](size_t, std::string_view bytes) {
    while (!bytes.empty()) nll.push_back(read_value<double>(bytes));
  });
  return nll;
}

Result result_of(std::string precision, const std::vector<double>& nll, const std::vector<double>* first,
                 std::optional<int64_t> bytes) {
  Result result{std::move(precision), std::ssize(nll), estimate_of(nll), {}, {}, {}};
  const double perplexity = std::exp(result.nll.value);
  result.perplexity = {perplexity, perplexity * result.nll.standard_error,
                       perplexity * result.nll.batch_standard_error};
  if (bytes && *bytes > 0)
    result.bits_per_byte =
        result.nll.value * static_cast<double>(result.tokens) / std::numbers::ln2 / static_cast<double>(*bytes);
  if (!first) return result;
  std::vector<double> differences(nll);
  for (size_t i = 0; i < differences.size(); ++i) differences[i] -= first->at(i);
  result.difference = estimate_of(differences);
  return result;
}

}  // namespace gpt2run
