// Parses manifests and summaries as JSON.
#include "manifest.hpp"

#include <algorithm>
#include <cctype>

#include "gpt2run/json/json.hpp"
#include "gpt2run/precision.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

using json::Value;

std::string text_at(const Value& object, const char* key) {
  return std::string(object.find_or_null(key).as_text().value_or(""));
}

// An id as JSON. Empty for a value that is none, and for an empty text.
std::string name_of(const Value& id) {
  if (id.is_whole()) return id.number_text();
  const std::string_view text = id.as_text().value_or("");
  return text.empty() ? std::string() : json_quoted(text);
}

}  // namespace

std::string precision_type(std::string_view manifest_json) {
  const auto manifest = json::try_parse(manifest_json);
  const Value plugins = manifest ? manifest->root().find_or_null("plugins") : Value();
  std::string type;
  for (const Value& plugin : plugins.elements()) {
    if (text_at(plugin, "kind") != "precision") continue;
    type = text_at(plugin.find_or_null("options"), "type");
    if (type.empty()) type = type_in_name(text_at(plugin, "name"));
  }
  for (char& letter : type) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return type.empty() ? "UNKNOWN" : type;
}

PromptNames::PromptNames(std::string_view manifest_json) {
  const auto manifest = json::try_parse(manifest_json);
  if (!manifest) return;
  const Value root = manifest->root();
  bool any = false;
  for (const Value& prompt : root.find_or_null("prompts").elements())
    any |= !names_.emplace_back(name_of(prompt.find_or_null("id"))).empty();
  if (!any) names_.clear();
  const Value samples = root.find_or_null("options").find_or_null("samples");
  samples_ = std::max<uint64_t>(1, samples.as_unsigned().value_or(1));
}

std::string_view PromptNames::of(uint64_t sequence) const {
  const uint64_t prompt = sequence / samples_;
  return prompt < names_.size() ? std::string_view(names_[prompt]) : std::string_view();
}

ModelSizes model_sizes(std::string_view manifest_json) {
  const auto manifest = json::try_parse(manifest_json);
  if (!manifest) return {};
  const Value model = manifest->root().find_or_null("model");
  const Value config = model.find_or_null("config");
  const auto size = [&](const char* key) {
    constexpr uint64_t kMost = 1 << 24;
    const uint64_t found = config.find_or_null(key).as_unsigned().value_or(0);
    return static_cast<int>(std::min(found, kMost));
  };
  return {size("L"), size("H"), size("C")};
}

std::optional<double> open_seconds(std::string_view summary_json) {
  const auto summary = json::try_parse(summary_json);
  return summary ? summary->root().find_or_null("open_seconds").as_number() : std::nullopt;
}

}  // namespace gpt2run
