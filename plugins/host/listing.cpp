// The child process opens a plugin and describes it in JSON. The parent only reads that text.
#include "host/listing.hpp"

#include <span>

#include "gpt2run/json/json.hpp"
#include "host/child.hpp"

namespace gpt2run {
namespace {

std::vector<OptionText> options_of(const Plugin& plugin) {
  std::vector<OptionText> options;
  for (const OptionSpec& spec : std::span(plugin.options, plugin.option_count))
    options.push_back({spec.key, spec.type, spec.fallback, spec.range, spec.help});
  return options;
}

void write_options(JsonWriter& json, const std::vector<OptionText>& options) {
  json.key("options");
  json.begin_list();
  for (const OptionText& option : options) {
    json.begin_object();
    json.field("default", option.fallback);
    json.field("help", option.help);
    json.field("key", option.key);
    json.field("range", option.range);
    json.field("type", option.type);
    json.end_object();
  }
  json.end_list();
}

// The child's description of a plugin. A plugin's texts may be in any encoding; what is not UTF-8 is replaced.
std::string described(const Plugin& plugin) {
  const Probe probe = plugin.probe();
  JsonWriter json(-1);
  json.begin_object();
  json.field("version", plugin.version);
  json.field("summary", plugin.summary);
  json.field("selects", plugin.selects);
  json.field("score", probe.score);
  json.field("reason", probe.reason ? probe.reason : "");
  write_options(json, options_of(plugin));
  json.end_object();
  return json.json();
}

std::string refused(const char* reason) {
  JsonWriter json(-1);
  json.begin_object();
  json.field("refusal", reason);
  json.end_object();
  return json.json();
}

void read_description(const json::Value& from, PluginReport& report) {
  report.version = from.at("version").text();
  report.summary = from.at("summary").text();
  report.selects = from.at("selects").flag();
  report.score = static_cast<int>(from.at("score").integer(INT32_MIN, INT32_MAX));
  report.reason = from.at("reason").text();
  for (const json::Value& option : from.at("options").list()) {
    const auto text = [&](const char* key) { return option.at(key).text(); };
    report.options.push_back({text("key"), text("type"), text("default"), text("range"), text("help")});
  }
}

void write_paths(JsonWriter& json, std::string_view key, const std::vector<std::filesystem::path>& paths) {
  json.key(key);
  json.begin_list();
  for (const auto& path : paths) json.value(path.string());
  json.end_list();
}

void write_report(JsonWriter& json, const PluginReport& report) {
  const Candidate& candidate = report.candidate;
  const bool is_known = report.refusal.empty();
  json.begin_object();
  json.field("file", candidate.file.string());
  json.field("kind", name_of(candidate.kind));
  json.field("name", candidate.name);
  if (is_known) write_options(json, report.options);
  if (is_known) json.field("reason", report.reason);
  if (!is_known) json.field("refusal", report.refusal);
  if (is_known) json.field("score", report.score);
  if (is_known && candidate.kind == Kind::sampler) json.field("selects", report.selects);
  write_paths(json, "shadows", candidate.shadows);
  json.field("space", name_of(candidate.space));
  if (is_known) json.field("summary", report.summary);
  if (is_known) json.field("version", report.version);
  json.end_object();
}

}  // namespace

PluginReport inspect(PluginHost& host, const Candidate& candidate, std::chrono::milliseconds limit) {
  PluginReport report;
  report.candidate = candidate;
  const auto describe = [&]() -> std::string {
    try {
      return described(host.open(candidate));
    } catch (const Error& error) {
      return refused(error.what());
    }
  };
  const ChildResult result = run_in_child(describe, limit);
  if (!result.failure.empty()) {
    report.refusal = candidate.file.string() + ": " + result.failure + " when it was opened";
    return report;
  }
  const json::Document document = json::parse(result.text, candidate.file.string());
  if (const auto refusal = document.root().find("refusal"))
    report.refusal = refusal->text();
  else
    read_description(document.root(), report);
  return report;
}

std::vector<PluginReport> inspect_all(PluginHost& host, std::chrono::milliseconds limit) {
  std::vector<PluginReport> reports;
  for (const Candidate& candidate : host.candidates()) reports.push_back(inspect(host, candidate, limit));
  return reports;
}

std::string to_json(const PluginHost& host, const std::vector<PluginReport>& reports) {
  JsonWriter json(2);
  json.begin_object();
  write_paths(json, "folders", host.folders());
  json.key("plugins");
  json.begin_list();
  for (const PluginReport& report : reports) write_report(json, report);
  json.end_list();
  json.key("rejected");
  json.begin_list();
  for (const RejectedFile& file : host.rejected()) {
    json.begin_object();
    json.field("file", file.file.string());
    json.field("reason", file.reason);
    json.end_object();
  }
  json.end_list();
  json.end_object();
  return json.json();
}

}  // namespace gpt2run
