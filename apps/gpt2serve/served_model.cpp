#include "gpt2serve/served_model.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/config/create.hpp"
#include "common/pipeline/explain.hpp"
#include "common/pipeline/memory_check.hpp"
#include "common/program/available_memory.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr int32_t kHostChunk = 128, kLeastChunk = 8, kDeviceChunk = 512, kDeviceReplay = 4;
constexpr double kMostSecondsOfChunk = 0.05;
constexpr uint32_t kWants = kLogprob | kLogits | kPrompt;  // the most that a request of the server wants

struct NoTap final : Tap {
  bool wants(const char*) const override { return false; }
  bool tensor(const char*, int, float*, int, int) override { return false; }
};

// The seconds that a step of so many rows of a prompt takes.
double seconds_of(Session& session, int32_t rows) {
  const std::vector<Row> fed(static_cast<size_t>(rows), Row{0, 0, false});
  session.start(0, {0, 0, 0, 0, 0, 0});
  const auto begin = std::chrono::steady_clock::now();
  session.step(fed);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The most rows, up to `most`, that a step of this session takes no longer than kMostSecondsOfChunk for.
int32_t measured_chunk(Session& session, int32_t most) {
  int32_t rows = std::min(kLeastChunk, most);
  seconds_of(session, rows);  // to warm up
  double seconds = seconds_of(session, rows);
  while (seconds < kMostSecondsOfChunk && rows < most) {
    rows = std::min(2 * rows, most);
    seconds = seconds_of(session, rows);
  }
  session.start(0, {0, 0, 0, 0, 0, 0});
  const double fitting = rows * std::min(1.0, kMostSecondsOfChunk / std::max(seconds, 1e-9));
  return std::max(static_cast<int32_t>(fitting), std::min(kLeastChunk, most));
}

}  // namespace

BoundPlugin with_server_defaults(const BoundPlugin& given) {
  BoundPlugin bound = given;
  constexpr char kOption[] = "invariant", kValue[] = "prefill";
  if (bound.plugin->space == Space::host || !bound.values.declares(kOption) || bound.values.given(kOption))
    return bound;
  bound.values.set(kOption, kValue, "--precision");
  bound.spec.options.emplace_back(kOption, kValue);
  return bound;
}

void plan_engine(ServedModel& model, const SessionPlan& plan) {
  const bool is_in_host = model.bound.plugin->space == Space::host;
  model.engine.chunk = is_in_host ? kHostChunk : kDeviceChunk;
  model.engine.replay = kDeviceReplay;
  model.engine.reuse = true;
  model.engine.wants = kWants;
  model.limits = engine_limits(model.engine, plan.slots, plan.context, true);
  model.limits.threads = plan.threads;
  model.limits.device = plan.device;
}

void announce_memory(const std::vector<std::unique_ptr<ServedModel>>& models, const Checkpoint& checkpoint,
                     size_t first) {
  int64_t in_host = 0;
  for (const auto& model : models) {
    const Limits& limits = model->limits;
    const MemoryUse use = memory_of(checkpoint.config(), limits, is_tied(checkpoint), element_bytes(model->bound));
    if (model->bound.plugin->space == Space::host) in_host += use.total() - use.weights;
    if (std::cmp_less(&model - models.data(), first)) continue;
    log_info(model->instance.name + ": " + shown_bytes(use.kv_cache) + " for keys and values of " +
             std::to_string(limits.slots) + " slots x " + std::to_string(limits.context) + " tokens, " +
             shown_bytes(use.weights) + " for weights, " + shown_bytes(use.logits + use.activations + use.tables) +
             " for what a step computes");
  }
  if (const int64_t all = total_memory(); in_host > all)
    fail("the precisions take at least ", shown_bytes(in_host), " of memory beside their weights, this machine has ",
         shown_bytes(all), ": give a smaller --batch or --context");
  for (size_t i = first; i < models.size(); ++i) check_memory(models[i]->bound, checkpoint, models[i]->limits);
}

void open_session(ServedModel& model, const Checkpoint& checkpoint) {
  Instance& instance = model.instance;
  instance.session = instance.precision->open(checkpoint, model.limits);
  Session& session = *instance.session;
  const Traits& traits = session.traits();
  model.is_reproducible = traits.batch && traits.prefill;
  NoTap tap;
  model.has_taps = session.tap(&tap);
  if (model.has_taps) session.tap(nullptr);
  if (model.bound.plugin->space != Space::host || !traits.prefill) return;
  model.engine.chunk = measured_chunk(session, std::min(model.engine.chunk, model.limits.context));
  log_info(instance.name + ": prompts are read " + std::to_string(model.engine.chunk) + " tokens at a time");
}

}  // namespace gpt2run
