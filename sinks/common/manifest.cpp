// Manifests and summaries, read as JSON.
#include "manifest.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "gpt2run/precision.hpp"

namespace gpt2run {
namespace {

using Json = nlohmann::json;

using namespace nlohmann::literals;

std::string text_at(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string precision_type(std::string_view manifest_json) {
  const Json manifest = Json::parse(manifest_json, nullptr, false);
  std::string type;
  if (manifest.is_object() && manifest.contains("plugins")) {
    for (const Json& plugin : manifest["plugins"]) {
      if (text_at(plugin, "kind") != "precision") continue;
      const std::string name = text_at(plugin, "name");
      type = plugin.contains("options") ? text_at(plugin["options"], "type") : "";
      if (type.empty()) type = type_in_name(name);
    }
  }
  for (char& letter : type) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return type.empty() ? "UNKNOWN" : type;
}

PromptNames::PromptNames(std::string_view manifest_json) {
  const Json manifest = Json::parse(manifest_json, nullptr, false);
  if (!manifest.is_object() || !manifest.contains("prompts")) return;
  bool any = false;
  for (const Json& prompt : manifest["prompts"]) any |= !names_.emplace_back(text_at(prompt, "id")).empty();
  if (!any) names_.clear();
  const auto samples = "/options/samples"_json_pointer;
  if (manifest.contains(samples) && manifest[samples].is_number_unsigned())
    samples_ = std::max<uint64_t>(1, manifest[samples].get<uint64_t>());
}

std::string_view PromptNames::of(uint64_t sequence) const {
  const uint64_t prompt = sequence / samples_;
  return prompt < names_.size() ? std::string_view(names_[prompt]) : std::string_view();
}

std::optional<double> open_seconds(std::string_view summary_json) {
  const Json summary = Json::parse(summary_json, nullptr, false);
  const auto found = summary.is_object() ? summary.find("open_seconds") : summary.end();
  return found != summary.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

}  // namespace gpt2run
