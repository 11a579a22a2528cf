// Greedy runs by generate(), and a teacher-forced step at the first difference.
#include "gpt2compare/continuations.hpp"

#include <algorithm>
#include <cmath>

#include "common/evaluation/layers.hpp"
#include "common/evaluation/lockstep.hpp"
#include "gpt2run/sdk/log_softmax.hpp"

namespace gpt2run {
namespace {

struct Collect final : Sink {
  explicit Collect(size_t count) : tokens(count) {}
  uint32_t wants() const override { return 0; }
  void token(const TokenEvent& event) override { tokens[event.sequence].push_back(event.id); }
  std::vector<std::vector<int32_t>> tokens;
};

Generation generation_of(int32_t max_new, int32_t threads, int32_t device) {
  Generation generation;
  generation.max_new = max_new, generation.threads = threads, generation.device = device;
  generation.chunk = kChunk;
  return generation;
}

std::vector<std::vector<int32_t>> generated(Instance& instance, Sampler& argmax, std::span<const Prompt> prompts,
                                            int32_t max_new, const std::function<void()>& check) {
  Collect sink(prompts.size());
  Sink* const sinks[] = {&sink};
  const Chain chain{{&argmax}, Space::host, false};
  bool asked = false;  // inside check(), whose errors are not the instance's
  try {
    generate(*instance.session, instance.checkpoint->config(), chain, sinks, nullptr, prompts,
             generation_of(max_new, 0, 0), "{}", [&](int64_t, int64_t) {
               asked = true;
               check();
               asked = false;
             });
  } catch (const Error& error) {
    if (asked) throw;
    const std::string place = first_nan({&instance, 1}, windows_of(prompts, instance.checkpoint->config().T, 0), check);
    fail(instance.name, ": ", error.what(), place.empty() ? "" : "; ", place);
  }
  return std::move(sink.tokens);
}

double probability_of(std::span<const float> row, int32_t id) {
  const SoftmaxSum all = softmax_sum(row);
  return std::exp(row[id] - all.greatest) / all.sum;
}

// The first difference of two lists of tokens. There is one even if their lengths differ, because the shorter list ends
// in end-of-text, where the longer one has another token.
std::optional<FirstDifference> find_first_difference(std::span<const int32_t> ref, std::span<const int32_t> test) {
  const auto [ours, theirs] = std::mismatch(ref.begin(), ref.end(), test.begin(), test.end());
  if (ours == ref.end() || theirs == test.end()) return std::nullopt;
  return FirstDifference{static_cast<int32_t>(ours - ref.begin()), *ours, *theirs, {}, 0};
}

void measure_difference(FirstDifference& difference, Instance& ref, Instance& test, const Prompt& prompt,
                        std::span<const int32_t> ours) {
  std::vector<int32_t> tokens = prompt.tokens;
  tokens.insert(tokens.end(), ours.begin(), ours.begin() + difference.step);
  tokens.push_back(difference.ref_token);
  Instance* const sides[] = {&ref, &test};
  std::vector<float> rows[2];
  for (const int side : {0, 1}) {
    TeacherForcing forced(*sides[side]->session, kChunk);
    forced.begin(tokens, static_cast<int32_t>(tokens.size()) - 1);
    TargetRows last{};
    while (forced.next(last) && last.rows == 0) continue;
    rows[side].assign(last.logits, last.logits + sides[side]->checkpoint->config().V);
    difference.probabilities[side][0] = probability_of(rows[side], difference.ref_token);
    difference.probabilities[side][1] = probability_of(rows[side], difference.test_token);
  }
  difference.margin = DivergenceMeter(1).compare(rows[0], rows[1], difference.ref_token).margin;
}

}  // namespace

Limits continuation_limits(const ModelConfig& config, std::span<const Prompt> prompts, int32_t max_new, int32_t threads,
                           int32_t device) {
  Limits limits = plan_limits(config, prompts, generation_of(max_new, threads, device), {}, {});
  // measure_difference() feeds a continuation again, kChunk rows at a time.
  limits.rows = std::max(limits.rows, std::min(kChunk, limits.context));
  return limits;
}

std::vector<std::vector<Continuation>> continue_greedily(std::span<Instance> instances, Sampler& argmax,
                                                         std::span<const Prompt> prompts, int32_t max_new,
                                                         const std::function<void()>& check) {
  std::vector<std::vector<Continuation>> all;
  for (Instance& instance : instances) {
    std::vector<std::vector<int32_t>> tokens = generated(instance, argmax, prompts, max_new, check);
    std::vector<Continuation>& own = all.emplace_back(prompts.size());
    for (size_t p = 0; p < prompts.size(); ++p) {
      own[p].tokens = std::move(tokens[p]);
      own[p].first_difference = find_first_difference(all[0][p].tokens, own[p].tokens);
      if (own[p].first_difference)
        measure_difference(*own[p].first_difference, instances[0], instance, prompts[p], own[p].tokens);
    }
  }
  return all;
}

}  // namespace gpt2run
