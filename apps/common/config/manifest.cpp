// The run manifest as JSON.
#include "common/config/manifest.hpp"

#include <unordered_map>

#include "gpt2run/json/json.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

// A number in the form that all reports use: 0.50 becomes 0.5.
std::string number_text(const std::string& typed) {
  const json::Document document = json::parse(typed, "a number");
  const json::Value number = document.root();
  if (const auto integer = number.as_integer()) return std::to_string(*integer);
  return number.as_unsigned() ? number.number_text() : json::real_text(number.number());
}

void write_typed(JsonWriter& json, const RecordedOption& option) {
  if (option.type == "int" || option.type == "real") return json.raw(number_text(option.value));
  if (option.type == "bool") return json.value(option.value == "on");
  json.value(option.value);
}

// A key that occurs several times becomes a list.
void write_options(JsonWriter& json, const std::vector<RecordedOption>& options) {
  std::unordered_map<std::string_view, std::vector<const RecordedOption*>> by_key;
  for (const RecordedOption& option : options) by_key[option.key].push_back(&option);
  json.begin_object();
  for (const RecordedOption& option : options) {
    const auto& all = by_key[option.key];
    if (all.front() != &option) continue;
    json.key(option.key);
    if (all.size() == 1) {
      write_typed(json, option);
      continue;
    }
    json.begin_list();
    for (const RecordedOption* one : all) write_typed(json, *one);
    json.end_list();
  }
  json.end_object();
}

void write_plugin(JsonWriter& json, const RecordedPlugin& plugin) {
  json.begin_object();
  json.field("kind", plugin.kind);
  json.field("asked", plugin.spec);
  json.field("name", plugin.name);
  json.field("space", plugin.space);
  json.field("version", plugin.version);
  json.field("file", plugin.file);
  json.field("hash", plugin.hash);
  json.key("options");
  write_options(json, plugin.options);
  json.end_object();
}

void write_prompt(JsonWriter& json, const Prompt& prompt) {
  json.begin_object();
  json.field("text", prompt.text);
  json.key("tokens");
  json.begin_list();
  for (const int32_t token : prompt.tokens) json.value(token);
  json.end_list();
  if (prompt.number_id)
    json.raw_field("id", prompt.id);
  else if (!prompt.id.empty())
    json.field("id", prompt.id);
  json.end_object();
}

void write_files(JsonWriter& json, const std::vector<RecordedFile>& files) {
  json.key("files");
  json.begin_list();
  for (const RecordedFile& file : files) {
    json.begin_object();
    json.field("name", file.name);
    json.field("sha256", file.sha256);
    json.end_object();
  }
  json.end_list();
}

void write_config(JsonWriter& json, const ModelConfig& c) {
  json.begin_object();
  json.field("L", c.L);
  json.field("H", c.H);
  json.field("C", c.C);
  json.field("F", c.F);
  json.field("V", c.V);
  json.field("T", c.T);
  json.field("end_of_text", c.end_of_text);
  json.raw_field("epsilon", json::real_text(c.epsilon));
  json.end_object();
}

// "weight_bytes" in the JSON is the size of one weight element, the mean if they have different sizes.
void write_traits(JsonWriter& json, const Traits& traits, const ModelConfig& config) {
  json.begin_object();
  json.field("run", traits.run);
  json.field("threads", traits.threads);
  json.field("batch", traits.batch);
  json.field("prefill", traits.prefill);
  json.raw_field("tolerance", json::real_text(traits.tolerance));
  const int64_t elements = step_elements(config);
  if (traits.step_bytes % elements == 0)
    json.field("weight_bytes", traits.step_bytes / elements);
  else
    json.raw_field("weight_bytes", json::real_text(static_cast<double>(traits.step_bytes) / double(elements)));
  json.field("order", traits.order);
  json.field("contract", traits.contract);
  json.end_object();
}

// The value as a user would type it on a command line.
std::string typed(const json::Value& value) {
  if (const auto text = value.as_text()) return std::string(*text);
  if (const auto flag = value.as_flag()) return *flag ? "on" : "off";
  if (value.type() != json::Type::number) value.refuse("a text, a number, true or false");
  return value.number_text();
}

std::vector<RecordedOption> read_options(const json::Value& object) {
  std::vector<RecordedOption> options;
  for (const auto& [key, value] : object.object()) {
    if (value.type() != json::Type::list) options.push_back({std::string(key), typed(value), ""});
    for (const json::Value& element : value.elements()) options.push_back({std::string(key), typed(element), ""});
  }
  return options;
}

RecordedPlugin read_plugin(const json::Value& plugin) {
  const auto text = [&](const char* key) { return plugin.at(key).text(); };
  RecordedPlugin recorded{text("kind"),    text("asked"), text("name"), text("space"),
                          text("version"), text("file"),  text("hash"), read_options(plugin.at("options"))};
  for (const Kind kind : {Kind::loader, Kind::precision, Kind::sampler, Kind::sink})
    if (recorded.kind == name_of(kind)) return recorded;
  plugin.at("kind").refuse("loader, precision, sampler or sink");
}

Prompt read_prompt(const json::Value& recorded, std::string origin) {
  Prompt prompt{recorded.at("text").text(), {}, "", std::move(origin)};
  const json::Value tokens = recorded.at("tokens");
  for (const json::Value& token : tokens.list())
    prompt.tokens.push_back(static_cast<int32_t>(token.integer(0, INT32_MAX)));
  if (prompt.tokens.empty()) tokens.refuse("one token or more");
  if (const auto id = recorded.find("id")) {
    prompt.number_id = id->is_whole();
    prompt.id = prompt.number_id ? id->number_text() : id->text();
  }
  return prompt;
}

// For JSON that is no manifest. Its first keys say what it is.
[[noreturn]] void refuse_other(const std::string& path, const json::Value& object) {
  constexpr size_t kMostShown = 4;
  std::string keys;
  size_t count = 0;
  for (const auto& [key, value] : object.members())
    if (++count <= kMostShown) keys += (keys.empty() ? "" : ", ") + in_quotes(key);
  fail(path, ": expected the manifest of a run, as --manifest writes it, with the key \"gpt2run\", found ",
       object.find("model_type") || object.find("n_layer") ? "the settings of a model"
       : keys.empty()                                      ? "an empty object"
                      : "an object with other keys (" + keys + (count > kMostShown ? ", ..." : "") + ")",
       ": options are written as lines key = value, in a file whose name does not end in .json");
}

}  // namespace

std::string json_unquoted(std::string_view quoted, std::string_view origin) {
  const auto document = json::try_parse(quoted);
  const auto text = document ? document->root().as_text() : std::nullopt;
  if (!text) usage_error(origin, ": expected a JSON string, found ", in_quotes(quoted));
  return std::string(*text);
}

std::string Manifest::to_json() const {
  JsonWriter json(2);
  json.begin_object();
  json.key("gpt2run");
  json.begin_object();
  json.field("version", program);
  json.field("abi", abi);
  json.field("tag", tag);
  json.end_object();
  json.key("options");
  write_options(json, options);
  json.key("plugins");
  json.begin_list();
  for (const RecordedPlugin& plugin : plugins) write_plugin(json, plugin);
  json.end_list();
  json.key("model");
  json.begin_object();
  json.field("path", model);
  json.field("hash", model_hash);
  if (!files.empty()) write_files(json, files);
  json.key("config");
  write_config(json, config);
  json.end_object();
  if (traits) {
    json.key("traits");
    write_traits(json, *traits, config);
  }
  json.key("prompts");
  json.begin_list();
  for (const Prompt& prompt : prompts) write_prompt(json, prompt);
  json.end_list();
  json.end_object();
  return json.json() + "\n";
}

Manifest Manifest::from_json(const std::string& path, const std::string& content) {
  const json::Document document = json::parse(content, path);
  const json::Value all = document.root();
  all.object();
  if (!all.find("gpt2run")) refuse_other(path, all);
  const json::Value own = all.at("gpt2run"), model = all.at("model");
  Manifest manifest;
  manifest.program = own.at("version").text();
  manifest.tag = own.at("tag").text();
  manifest.abi = static_cast<uint32_t>(own.at("abi").integer(0, UINT32_MAX));
  manifest.options = read_options(all.at("options"));
  for (const json::Value& plugin : all.at("plugins").list()) manifest.plugins.push_back(read_plugin(plugin));
  manifest.model = model.at("path").text();
  manifest.model_hash = model.at("hash").text();
  if (const auto files = model.find("files"))
    for (const json::Value& file : files->list())
      manifest.files.push_back({file.at("name").text(), file.at("sha256").text()});
  if (const auto traits = all.find("traits")) {
    if (const auto order = traits->find("order")) manifest.order = order->text();
    if (const auto contract = traits->find("contract")) manifest.contract = contract->text();
  }
  for (const json::Value& prompt : all.at("prompts").list()) {
    const std::string origin = path + ": prompts[" + std::to_string(manifest.prompts.size()) + "]";
    manifest.prompts.push_back(read_prompt(prompt, origin));
  }
  if (manifest.prompts.empty()) all.at("prompts").refuse("one prompt or more");
  return manifest;
}

}  // namespace gpt2run
