// The run manifest as JSON, and the hashes in it.
#include "host/manifest.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gpt2run/quoted.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

using Json = nlohmann::ordered_json;

// Bytes that are not UTF-8 become U+FFFD: JSON cannot hold them, and the token ids beside the text are exact.
std::string dumped(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json typed(const RecordedOption& option) {
  if (option.type == "int" || option.type == "real") return Json::parse(option.value);
  if (option.type == "bool") return option.value == "on";
  return option.value;
}

std::string untyped(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
  if (value.is_number()) return value.dump();
  throw std::invalid_argument("an option is neither text, number nor boolean: " + value.dump());
}

// A key that comes again makes a list.
Json to_object(const std::vector<RecordedOption>& options) {
  Json object = Json::object();
  for (const RecordedOption& option : options) {
    if (!object.contains(option.key)) {
      object[option.key] = typed(option);
      continue;
    }
    Json& entry = object[option.key];
    if (!entry.is_array()) entry = Json::array({entry});
    entry.push_back(typed(option));
  }
  return object;
}

std::vector<RecordedOption> to_options(const Json& object) {
  std::vector<RecordedOption> options;
  for (const auto& [key, value] : object.items()) {
    if (value.is_array())
      for (const Json& element : value) options.push_back({key, untyped(element), ""});
    else
      options.push_back({key, untyped(value), ""});
  }
  return options;
}

Json to_object(const RecordedPlugin& plugin) {
  return {{"kind", plugin.kind},       {"asked", plugin.asked},
          {"name", plugin.name},       {"space", plugin.space},
          {"version", plugin.version}, {"file", plugin.file},
          {"hash", plugin.hash},       {"options", to_object(plugin.options)}};
}

RecordedPlugin to_plugin(const Json& object) {
  const auto text = [&](const char* key) { return object.at(key).get<std::string>(); };
  return {text("kind"),    text("asked"), text("name"), text("space"),
          text("version"), text("file"),  text("hash"), to_options(object.at("options"))};
}

Json to_object(const ModelConfig& c) {
  return {{"L", c.L},
          {"H", c.H},
          {"C", c.C},
          {"F", c.F},
          {"V", c.V},
          {"T", c.T},
          {"end_of_text", c.end_of_text},
          {"epsilon", c.epsilon}};
}

}  // namespace

std::string json_quoted(std::string_view text) { return dumped(Json(text), -1); }

std::string json_unquoted(std::string_view quoted, std::string_view origin) {
  const Json json = Json::parse(quoted, nullptr, false);
  if (!json.is_string()) misused(origin, ": expected a JSON string, found ", in_quotes(quoted));
  return json.get<std::string>();
}

std::string Manifest::to_json() const {
  Json json;
  json["gpt2run"] = {{"version", program}, {"abi", abi}, {"tag", tag}};
  json["options"] = to_object(options);
  json["plugins"] = Json::array();
  for (const RecordedPlugin& plugin : plugins) json["plugins"].push_back(to_object(plugin));
  json["model"] = {{"path", model}, {"hash", model_hash}, {"config", to_object(config)}};
  json["traits"] = {{"run", traits.run},
                    {"threads", traits.threads},
                    {"batch", traits.batch},
                    {"prefill", traits.prefill},
                    {"tolerance", traits.tolerance}};
  json["prompts"] = Json::array();
  for (const Prompt& prompt : prompts) json["prompts"].push_back({{"text", prompt.text}, {"tokens", prompt.tokens}});
  return dumped(json, 2) + "\n";
}

Manifest Manifest::from_json(const std::string& path, const std::string& content) {
  try {
    const Json json = Json::parse(content);
    Manifest manifest;
    manifest.program = json.at("gpt2run").at("version").get<std::string>();
    manifest.tag = json.at("gpt2run").at("tag").get<std::string>();
    manifest.abi = json.at("gpt2run").at("abi").get<uint32_t>();
    manifest.options = to_options(json.at("options"));
    for (const Json& plugin : json.at("plugins")) manifest.plugins.push_back(to_plugin(plugin));
    manifest.model = json.at("model").at("path").get<std::string>();
    manifest.model_hash = json.at("model").at("hash").get<std::string>();
    for (const Json& prompt : json.at("prompts"))
      manifest.prompts.push_back(
          {prompt.at("text").get<std::string>(), prompt.at("tokens").get<std::vector<int32_t>>()});
    return manifest;
  } catch (const std::exception& error) {
    fail(path, ": expected a run manifest, found ", error.what());
  }
}

void Fingerprint::add(const void* bytes, size_t count) {
  for (const auto* byte = static_cast<const unsigned char*>(bytes); count-- > 0; ++byte)
    value = (value ^ *byte) * 0x100000001b3u;
}

std::string Fingerprint::hex() const {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string hash_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path.string(), ": cannot be read: ", std::strerror(errno));
  Fingerprint print;
  char buffer[65536];
  while (file.read(buffer, sizeof buffer) || file.gcount() > 0) print.add(buffer, static_cast<size_t>(file.gcount()));
  return print.hex();
}

}  // namespace gpt2run
