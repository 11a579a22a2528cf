// Manifests, read as JSON.
#include "common/manifest.hpp"

#include <cctype>
#include <nlohmann/json.hpp>

namespace gpt2run {
namespace {

using Json = nlohmann::json;

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
      if (type.empty()) type = name.substr(name.rfind('-') + 1);
    }
  }
  for (char& letter : type) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return type.empty() ? "UNKNOWN" : type;
}

}  // namespace gpt2run
