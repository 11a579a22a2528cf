// The run manifest as JSON, and the hashes in it.
#include "common/config/manifest.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gpt2run/sdk/escape.hpp"
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

Json to_object(const RecordedPlugin& plugin) {
  return {{"kind", plugin.kind},       {"asked", plugin.asked},
          {"name", plugin.name},       {"space", plugin.space},
          {"version", plugin.version}, {"file", plugin.file},
          {"hash", plugin.hash},       {"options", to_object(plugin.options)}};
}

Json to_object(const Prompt& prompt) {
  Json object = {{"text", prompt.text}, {"tokens", prompt.tokens}};
  if (!prompt.id.empty()) object["id"] = prompt.id;
  return object;
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

std::string found_in(const Json& json) {
  if (json.is_string()) return in_quotes(json.get_ref<const std::string&>());
  if (json.is_structured())
    return std::string(json.empty() ? "an empty " : "a ") + (json.is_array() ? "list" : "JSON object");
  return json.dump();
}

// A value of the manifest that is read, and where it stands: errors name both.
class Entry {
 public:
  Entry(const std::string& where, const Json& json) : where_(where), json_(json) {}

  Entry at(const char* key) const {
    if (!json_.is_object()) refuse("an object");
    const auto found = json_.find(key);
    if (found == json_.end()) fail(where_, separator(), "expected a key ", in_quotes(key), ", found none");
    return {where_ + (where_.ends_with(": ") ? "" : ".") + key, *found};
  }

  const std::string& where() const { return where_; }
  bool has(const char* key) const { return json_.contains(key); }

  std::string text() const {
    if (!json_.is_string()) refuse("a text");
    return json_.get<std::string>();
  }

  int64_t integer(int64_t low, int64_t high) const {
    const bool fits = json_.is_number_integer() && (!json_.is_number_unsigned() || json_.get<uint64_t>() <= INT64_MAX);
    if (!fits || json_.get<int64_t>() < low || json_.get<int64_t>() > high)
      refuse("a whole number in [" + std::to_string(low) + ", " + std::to_string(high) + "]");
    return json_.get<int64_t>();
  }

  std::vector<Entry> list() const {
    if (!json_.is_array()) refuse("a list");
    std::vector<Entry> entries;
    for (size_t i = 0; i < json_.size(); ++i) entries.emplace_back(where_ + "[" + std::to_string(i) + "]", json_[i]);
    return entries;
  }

  // As a user would type them.
  std::vector<RecordedOption> options() const {
    if (!json_.is_object()) refuse("an object");
    std::vector<RecordedOption> options;
    for (const auto& [key, value] : json_.items()) {
      const Entry entry(where_ + "." + printable(key, 60), value);
      if (!value.is_array()) options.push_back({key, entry.typed(), ""});
      if (value.is_array())
        for (const Entry& element : entry.list()) options.push_back({key, element.typed(), ""});
    }
    return options;
  }

  [[noreturn]] void refuse(const std::string& expected) const {
    fail(where_, separator(), "expected ", expected, ", found ", found_in(json_));
  }

 private:
  const char* separator() const { return where_.ends_with(": ") ? "" : ": "; }

  std::string typed() const {
    if (json_.is_string()) return text();
    if (json_.is_boolean()) return json_.get<bool>() ? "on" : "off";
    if (!json_.is_number()) refuse("a text, a number, true or false");
    return json_.dump();
  }

  std::string where_;
  const Json& json_;
};

RecordedPlugin to_plugin(const Entry& entry) {
  const auto text = [&](const char* key) { return entry.at(key).text(); };
  RecordedPlugin plugin{text("kind"),    text("asked"), text("name"), text("space"),
                        text("version"), text("file"),  text("hash"), entry.at("options").options()};
  for (const Kind kind : {Kind::loader, Kind::precision, Kind::sampler, Kind::sink})
    if (plugin.kind == name_of(kind)) return plugin;
  entry.at("kind").refuse("loader, precision, sampler or sink");
}

Prompt to_prompt(const Entry& entry) {
  Prompt prompt{entry.at("text").text(), {}, "", entry.where()};
  for (const Entry& token : entry.at("tokens").list())
    prompt.tokens.push_back(static_cast<int32_t>(token.integer(0, INT32_MAX)));
  if (prompt.tokens.empty()) entry.at("tokens").refuse("one token or more");
  if (entry.has("id")) prompt.id = entry.at("id").text();
  return prompt;
}

Json parsed(const std::string& path, const std::string& content) {
  if (content.find('\0') != content.npos) fail(path, ": expected a run manifest, found a NUL byte");  // ends the parser
  try {
    return Json::parse(content);
  } catch (const Json::parse_error& error) {
    const auto end = content.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, content.size()));
    fail(path, ": expected a run manifest, found no JSON in line ", 1 + std::count(content.begin(), end, '\n'));
  } catch (const Json::exception&) {
    fail(path, ": expected a run manifest, found a number out of range");
  }
}

}  // namespace

std::string json_unquoted(std::string_view quoted, std::string_view origin) {
  const bool whole = quoted.find('\0') == quoted.npos;  // ends the parser
  const Json json = Json::parse(quoted, nullptr, false);
  if (!whole || !json.is_string()) usage_error(origin, ": expected a JSON string, found ", in_quotes(quoted));
  return json.get<std::string>();
}

std::string Manifest::to_json() const {
  Json json;
  json["gpt2run"] = {{"version", program}, {"abi", abi}, {"tag", tag}};
  json["options"] = to_object(options);
  json["plugins"] = Json::array();
  for (const RecordedPlugin& plugin : plugins) json["plugins"].push_back(to_object(plugin));
  json["model"] = {{"path", model}, {"hash", model_hash}, {"config", to_object(config)}};
  if (traits)
    json["traits"] = {
        {"run", traits->run},         {"threads", traits->threads},     {"batch", traits->batch},
        {"prefill", traits->prefill}, {"tolerance", traits->tolerance}, {"weight_bytes", traits->weight_bytes}};
  json["prompts"] = Json::array();
  for (const Prompt& prompt : prompts) json["prompts"].push_back(to_object(prompt));
  return dumped(json, 2) + "\n";
}

Manifest Manifest::from_json(const std::string& path, const std::string& content) {
  const Json json = parsed(path, content);
  const Entry all(path + ": ", json), own = all.at("gpt2run"), model = all.at("model");
  Manifest manifest;
  manifest.program = own.at("version").text();
  manifest.tag = own.at("tag").text();
  manifest.abi = static_cast<uint32_t>(own.at("abi").integer(0, UINT32_MAX));
  manifest.options = all.at("options").options();
  for (const Entry& plugin : all.at("plugins").list()) manifest.plugins.push_back(to_plugin(plugin));
  manifest.model = model.at("path").text();
  manifest.model_hash = model.at("hash").text();
  for (const Entry& prompt : all.at("prompts").list()) manifest.prompts.push_back(to_prompt(prompt));
  if (manifest.prompts.empty()) all.at("prompts").refuse("one prompt or more");
  return manifest;
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
  std::vector<char> block(1 << 16);
  while (file.read(block.data(), std::ssize(block)) || file.gcount() > 0)
    print.add(block.data(), static_cast<size_t>(file.gcount()));
  return print.hex();
}

}  // namespace gpt2run
