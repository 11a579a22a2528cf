// Before each measurement the prompt is prefilled once, and all slots share its keys and values.
#include "gpt2bench/decode_bench.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "common/config/create.hpp"
#include "common/pipeline/explain.hpp"
#include "common/pipeline/memory_check.hpp"
#include "gpt2bench/driver.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

DecodeShape parse_one(std::string_view word, std::string_view text) {
  DecodeShape shape{};
  const char* end = word.data() + word.size();
  const auto context = std::from_chars(word.data(), end, shape.context);
  const bool cross = context.ec == std::errc() && context.ptr < end && *context.ptr == 'x';
  const auto sequences = std::from_chars(context.ptr + cross, end, shape.sequences);
  if (!cross || sequences.ec != std::errc() || sequences.ptr != end || shape.sequences < 1 || shape.sequences > 65536)
    usage_error("--decode: expected contexts and sequences like 128x1,1024x8, found ", in_quotes(text));
  return shape;
}

}  // namespace

std::vector<DecodeShape> parse_decodes(std::string_view text, const ModelConfig& config, int32_t new_tokens) {
  std::vector<DecodeShape> shapes;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    shapes.push_back(parse_one(text.substr(at, end - at), text));
    if (const int32_t context = shapes.back().context; context <= new_tokens || context > config.T)
      usage_error("--decode: expected contexts above --new_tokens, ", new_tokens, ", and up to the model's, ", config.T,
                  ", found ", context);
    const auto is_same = [&](const DecodeShape& one) {
      return one.context == shapes.back().context && one.sequences == shapes.back().sequences;
    };
    if (std::ranges::count_if(shapes, is_same) > 1)
      usage_error("--decode: ", shapes.back().context, "x", shapes.back().sequences, " is given twice");
    at = end + 1;
  }
  return shapes;
}

double bytes_per_step(const ModelConfig& config, const DecodeShape& shape, int32_t new_tokens, const Series& series) {
  // The mean number of positions that a row attends to, its own included.
  const double positions = shape.context - new_tokens + (new_tokens + 1) / 2.0;
  return static_cast<double>(series.step_bytes) +
         2.0 * series.cache_bytes * config.L * config.C * positions * shape.sequences;
}

void add_decodes(std::vector<Decode>& decodes, size_t index, Series& series, const Checkpoint& checkpoint,
                 std::span<const BoundPlugin> samplers, std::span<const DecodeShape> shapes, const Workload& work,
                 int repetitions) {
  constexpr int kWarmUp = 3;   // tokens of a round that warms up
  constexpr int kWarmUps = 2;  // such rounds: one runs the steps, and the next one records and replays them
  std::set<int32_t> contexts;
  int32_t slots = 1;
  for (const DecodeShape& shape : shapes) contexts.insert(shape.context), slots = std::max(slots, shape.sequences);
  const auto precision = create<Precision>(series.precision);
  for (const int32_t context : contexts) {
    const int32_t prompt = context - work.new_tokens, warm_up = std::min(kWarmUp, work.new_tokens);
    const Limits limits = driver_limits(slots, context, prompt, series.threads, work.device);
    check_memory(series.precision, checkpoint, limits);
    Driver driver(*precision, samplers, checkpoint, limits);
    series.step_bytes = driver.traits().step_bytes;
    series.cache_bytes = cache_bytes(driver.traits(), checkpoint.config());
    for (const DecodeShape& shape : shapes) {
      if (shape.context != context) continue;
      for (const bool repeats : {false, true}) {
        Decode cell{index, shape, repeats, {}};
        for (int round = 0; round < kWarmUps + repetitions; ++round) {
          const int count = round < kWarmUps ? warm_up : work.new_tokens;
          const double seconds = driver.continue_prompt(shape.sequences, prompt, count, repeats);
          if (round >= kWarmUps) cell.samples.values.push_back(double(count) * shape.sequences / seconds);
        }
        decodes.push_back(std::move(cell));
      }
    }
  }
}

}  // namespace gpt2run
