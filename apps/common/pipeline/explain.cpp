// The text of --explain, and the sums in it.
#include "common/pipeline/explain.hpp"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/float16.hpp"

namespace gpt2run {
namespace {

int64_t elements(Weight weight, const ModelConfig& config) {
  const Shape shape = shape_of(weight, config);
  return shape.rows * shape.cols * (is_per_layer(weight) ? config.L : 1);
}

double bytes_of(Weight weight, const ModelConfig& config, const ElementBytes& bytes) {
  const bool is_layer = is_per_layer(weight);
  return static_cast<double>(elements(weight, config)) * (is_layer ? bytes.layers : bytes.embedding);
}

// Such as "1 slot" and "3 slots".
std::string counted(int64_t count, const char* one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

class Lines {
 public:
  template <class... Parts>
  void add(const char* title, const Parts&... parts) {
    text_ << title << std::string(12 - std::min<size_t>(std::string_view(title).size(), 11), ' ');
    (text_ << ... << parts) << '\n';
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
};

std::string plugin_text(const BoundPlugin& chosen) {
  std::string text = std::string(chosen.plugin->name) + " " + chosen.plugin->version;
  for (const OptionSpec& spec : chosen.values.specs())
    text += std::string(", ") + spec.key + " " +
            (chosen.values.shown(spec.key).empty() ? "\"\"" : chosen.values.shown(spec.key));
  return printable(text);
}

void explain_model(Lines& lines, const Composition& composition) {
  const ModelConfig& m = composition.checkpoint().config();
  lines.add("model", composition.choice().model);
  lines.add("", "L ", m.L, " layers, H ", m.H, " heads, C ", m.C, " channels, F ", m.F, ", V ", m.V, ", T ", m.T,
            ", epsilon ", m.epsilon, is_tied(composition.checkpoint()) ? ", head tied to wte" : ", a head of its own");
  lines.add("loader", plugin_text(composition.choice().loader));
  const char* own = composition.checkpoint().tokenizer();
  lines.add(
      "tokenizer",
      composition.tokenizer() ? std::to_string(composition.tokenizer()->size()) + " tokens" : "none: token ids only",
      own ? std::string(", ") + own : "");
  size_t tokens = 0;
  for (const Prompt& prompt : composition.prompts()) tokens += prompt.tokens.size();
  lines.add("prompts", composition.prompts().size(), ", ", counted(static_cast<int64_t>(tokens), "token"),
            " together, ", counted(composition.generation().samples, "sample"), " each, seed ",
            composition.generation().seed);
}

void explain_stages(Lines& lines, const Composition& composition, const Limits& limits) {
  const Selection& choice = composition.choice();
  const Space space = choice.precision.plugin->space, chain = choice.chain_space();
  lines.add("precision", plugin_text(choice.precision));
  lines.add("", "writes logits in ", name_of(space), " memory, ",
            shown_bytes(4 * int64_t(composition.checkpoint().config().V)), " a row, ",
            counted(limits.logit_rows, "row"), " at most");
  for (const std::string& patch : composition.patch_texts()) lines.add("patch", printable(patch));
  if (chain != space)
    lines.add("adapter", "core copies logits from ", name_of(space), " to host memory and the choice back");
  for (const BoundPlugin& sampler : choice.samplers)
    lines.add("sampler", plugin_text(sampler), sampler.plugin->selects ? ": selects in " : ": changes logits in ",
              name_of(chain), " memory");
  for (size_t i = 0; i < choice.sinks.size(); ++i) {
    const uint32_t wants = composition.sinks()[i]->wants();
    lines.add("sink", plugin_text(choice.sinks[i]), ": wants tokens", wants & kLogprob ? ", log-probabilities" : "",
              wants & kLogits ? ", logits" : "", wants & kTimes ? ", times" : "", wants & kTaps ? ", taps" : "",
              wants & kPrompt ? ", the prompt's tokens" : "",
              wants & kAnyOrder ? "; takes sequences in any order" : "; takes one sequence after another");
  }
}

std::string repeat_text(const Composition& composition) {
  const Space space = composition.choice().precision.plugin->space;
  std::string_view reason = why_not_replayed(space, composition.choice().chain_space(), all_wants(composition.sinks()),
                                             composition.generation().recompute);
  if (reason.empty() && !composition.patch_texts().empty()) reason = "a tap is set";
  if (!reason.empty()) return "1 token between two waits: " + std::string(reason);
  return "up to " + std::to_string(composition.generation().replay) +
         " tokens between two waits, enqueued once and replayed";
}

// The bytes that the engine copies between memory spaces in a step that decodes in all slots. For a session in host
// memory these are reads.
void explain_copies(Lines& lines, const Composition& composition, const Limits& limits) {
  const Space space = composition.choice().precision.plugin->space;
  const uint32_t wants = all_wants(composition.sinks());
  const int64_t row = 4 * int64_t(composition.checkpoint().config().V), slots = limits.slots;
  int64_t out = 4 * slots, in = 0;
  if (wants & kLogprob) out += 4 * slots;
  if (space != Space::host && wants & kLogits) out += row * slots;
  if (composition.choice().chain_space() != space) out += (row + int64_t(sizeof(RowKey))) * slots, in += 4 * slots;
  lines.add("copies", "a step of ", counted(slots, "sequence"), ": ", shown_bytes(out), " out of the session, ",
            shown_bytes(in), " into it");
}

void explain_memory(Lines& lines, const Composition& composition, const Limits& limits) {
  const Checkpoint& checkpoint = composition.checkpoint();
  const BoundPlugin& precision = composition.choice().precision;
  const ElementBytes bytes = element_bytes(precision);
  const MemoryUse memory = memory_of(checkpoint.config(), limits, is_tied(checkpoint), bytes);
  lines.add("memory", "at least ", shown_bytes(memory.total()), " = weights ", shown_bytes(memory.weights),
            " + KV cache ", shown_bytes(memory.kv_cache), " + logits ", shown_bytes(memory.logits), " + activations ",
            shown_bytes(memory.activations), " + tables ", shown_bytes(memory.tables),
            type_of(precision) ? "" : " (type unknown: taken as 4 bytes)");
  lines.add("", "not counted: ", shown_bytes(stored_bytes(checkpoint)),
            " of tensors that the loader maps or holds, and what a precision keeps beside its type or wider than it");
  lines.add("", counted(limits.slots, "slot"), " x ", counted(limits.context, "position"), ", ",
            counted(limits.rows, "row"), " a step at most");
  lines.add("weights", shown_bytes(weights_per_step(checkpoint.config(), bytes)), " are read at each step");
}

}  // namespace

MemoryUse memory_of(const ModelConfig& config, const Limits& limits, bool tied, const ElementBytes& bytes) {
  MemoryUse memory{};
  double weights = 0;
  for (int w = 0; w < kWeights; ++w)
    if (!tied || static_cast<Weight>(w) != Weight::head_w) weights += bytes_of(static_cast<Weight>(w), config, bytes);
  memory.weights = static_cast<int64_t>(weights);
  memory.kv_cache = static_cast<int64_t>(bytes.cache * 2 * config.L * config.C) * limits.slots * limits.context;
  memory.logits = int64_t(4) * limits.logit_rows * config.V * (limits.keep_raw ? 2 : 1);
  memory.activations = int64_t(4) * limits.rows * (7 * int64_t(config.C) + config.F);
  memory.tables =
      int64_t(8) * limits.slots * (int64_t(limits.context) + 1) + int64_t(sizeof(RowKey)) * limits.logit_rows;
  return memory;
}

int64_t weights_per_step(const ModelConfig& config, const ElementBytes& bytes) {
  double sum = 0;
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    if (weight != Weight::wte && weight != Weight::wpe) sum += bytes_of(weight, config, bytes);
  }
  return static_cast<int64_t>(sum);
}

int64_t stored_bytes(const Checkpoint& checkpoint) {
  const bool tied = is_tied(checkpoint);
  int64_t sum = 0;
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    if (tied && weight == Weight::head_w) continue;
    const Tensor tensor = checkpoint.tensor(weight, 0);
    const int64_t layers = is_per_layer(weight) ? checkpoint.config().L : 1;
    sum += layers * tensor.rows * bytes_of(tensor.type, tensor.cols);
    if (tensor.scales) sum += layers * tensor.rows * bytes_of(Type::f32);
    if (tensor.groups) sum += layers * tensor.rows * groups_of(tensor);
  }
  return sum;
}

bool is_tied(const Checkpoint& checkpoint) {
  return checkpoint.tensor(Weight::head_w, 0).data == checkpoint.tensor(Weight::wte, 0).data;
}

ElementBytes element_bytes(const BoundPlugin& precision) {
  const Type type = type_of(precision).value_or(Type::f32);
  if (type != Type::i8 && type != Type::u4) {
    const double bytes = bytes_of(type);
    return {bytes, bytes, bytes};
  }
  constexpr double kInt4 = 17.0 / 32;  // a group of 32 has a byte of its own
  const auto bytes = [](Type one) { return one == Type::u4 ? kInt4 : double(bytes_of(one)); };
  const bool has_int8_cache = precision.values.declares("kv") && precision.values.shown("kv") == name_of(Type::i8);
  return {bytes(type), bytes(head_type_of(precision).value_or(Type::i8)), has_int8_cache ? 1.0 : 2.0};
}

int cache_bytes(const Traits& traits, const ModelConfig& config) {
  const std::string contract = std::string(1, ':').append(traits.contract).append(":");
  for (const Type type : {Type::f32, Type::f16, Type::bf16, Type::i8})
    if (contract.find(std::string(":kv=").append(name_of(type)).append(":")) != contract.npos) return bytes_of(type);
  return static_cast<int>(traits.step_bytes / step_elements(config));
}

std::string shown_bytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 999.95 && unit < 4) value /= 1000, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", value, kUnits[unit]);
  return text;
}

std::string explain(const Composition& composition) {
  const Limits limits = composition.limits();
  Lines lines;
  explain_model(lines, composition);
  explain_stages(lines, composition, limits);
  lines.add("repeat", repeat_text(composition));
  explain_copies(lines, composition, limits);
  explain_memory(lines, composition, limits);
  return lines.text();
}

}  // namespace gpt2run
