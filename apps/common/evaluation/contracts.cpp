// Reads contracts, and counts the bytes of their formats.
#include "common/evaluation/contracts.hpp"

#include "common/pipeline/choice.hpp"
#include "gpt2run/sdk/number_formats.hpp"
#include "gpt2run/sdk/quantise.hpp"

namespace gpt2run {
namespace {

constexpr int64_t kFloatBits = 32;

// How the rows of a matrix are stored.
struct Storage {
  std::string format;
  int64_t group;     // columns that share a scale, 0: the row
  std::string zero;  // off, on or least
  int factors;       // the largest factor of a group's scale, 0: it is a float
};

int64_t code_bits(const std::string& format) {
  if (format == "fp32" || format == "bf16x2") return kFloatBits;
  if (format == "bf16" || format == "fp16") return 16;
  return format == "int4" || format == "mxfp4" || format == "nf4" ? 4 : 8;
}

// What a group needs beside its codes.
int64_t group_bits(const Storage& stored) {
  if (code_bits(stored.format) >= 16) return 0;
  if (stored.format == "mxfp4") return 8;                  // an exponent
  if (stored.factors) return stored.factors > 8 ? 16 : 8;  // the factor and the zero point
  return kFloatBits + (stored.zero == "least" ? kFloatBits : stored.zero == "on" ? code_bits(stored.format) : 0);
}

int64_t row_bytes(const Storage& stored, int64_t cols) {
  const int64_t group = stored.group > 0 ? stored.group : cols, groups = (cols + group - 1) / group;
  const int64_t bits = cols * code_bits(stored.format) + groups * group_bits(stored);
  return (bits + 7) / 8 + (stored.factors ? kFloatBits / 8 : 0);
}

// The format that an option names, in whole rows, or in the groups that it always has.
Storage plain(const OptionValues& options, const char* key) {
  std::string format(options.text(key));
  if (format == "type") format = options.text("type");
  return {format, format == "mxfp4" ? kMxGroup : format == "nf4" ? kNf4Group : 0, "off", 0};
}

Storage matrices_of(const OptionValues& options) {
  Storage stored = plain(options, "w");
  if (options.integer("group") > 0) stored.group = options.integer("group");
  stored.zero = options.text("zero");
  const std::string_view scales = options.text("scales");
  const bool possible = stored.format == "int4" && stored.zero == "on" && stored.group > 0;
  if (scales == "8" || (scales == "auto" && possible && stored.group == kInt4Group)) stored.factors = 8;
  if (scales == "63") stored.factors = 63;
  return stored;
}

int64_t step_bytes(const OptionValues& options, const ModelConfig& config) {
  const Storage matrix = matrices_of(options), vector{std::string(options.text("type")), 0, "off", 0};
  Storage head = plain(options, "head");
  if (head.format == matrix.format) head = matrix;
  int64_t bytes = 0;
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    if (weight == Weight::wte || weight == Weight::wpe) continue;  // as in step_elements()
    const Shape shape = shape_of(weight, config);
    const Storage& stored = weight == Weight::head_w ? head : is_layer_matrix(weight) ? matrix : vector;
    bytes += shape.rows * row_bytes(stored, shape.cols) * (is_per_layer(weight) ? config.L : 1);
  }
  return bytes;
}

}  // namespace

bool is_reference(const BoundPlugin& chosen) { return chosen.plugin->name == std::string_view(kReference); }

std::string contract_of(const Instance& instance) {
  const std::string contract = instance.session->traits().contract;
  const std::string type = type_name_of(*instance.chosen);
  return contract.empty() && !type.empty() ? "type=" + type : contract;
}

BoundPlugin reference_with(PluginHost& host, const std::string& contract, const char* origin) {
  const PluginSpec spec = parse_plugin_list(std::string(kReference) + ":" + contract, origin).front();
  BoundPlugin reference(host.precision(kReference), spec, Layer::fallback, &host);
  for (const auto& [key, value] : spec.options) reference.values.set(key, value, origin);
  return reference;
}

std::optional<int64_t> step_bytes_of(PluginHost& host, const Instance& instance) {
  const std::string contract = contract_of(instance);
  if (contract.empty() || !host.find(Kind::precision, kReference, Space::host)) {
    const int64_t reported = instance.session->traits().step_bytes;
    return reported > 0 ? std::optional(reported) : std::nullopt;
  }
  const BoundPlugin reference = reference_with(host, contract, instance.name.c_str());
  for (const char* key : {"w", "head", "group", "zero", "scales", "exact"})
    if (!reference.values.declares(key)) return std::nullopt;  // another precision of that name
  if (!reference.values.text("exact").empty()) return std::nullopt;
  return step_bytes(reference.values, instance.checkpoint->config());
}

}  // namespace gpt2run
