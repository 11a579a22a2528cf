// A child process opens a plugin and describes it in JSON; the parent only ever reads that text.
#include "host/listing.hpp"

#include <nlohmann/json.hpp>

#include "host/child.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;

// A plugin's texts may be in any encoding: what is not UTF-8 is replaced.
std::string dumped(const json& value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

json described(const Plugin& plugin) {
  const Probe probe = plugin.probe();
  json options = json::array();
  for (uint32_t i = 0; i < plugin.option_count; ++i) {
    const OptionSpec& spec = plugin.options[i];
    options.push_back({{"key", spec.key},
                       {"type", spec.type},
                       {"default", spec.fallback},
                       {"range", spec.range},
                       {"help", spec.help}});
  }
  return {{"version", plugin.version},
          {"summary", plugin.summary},
          {"selects", plugin.selects},
          {"score", probe.score},
          {"reason", probe.reason ? probe.reason : ""},
          {"options", options}};
}

void read_description(const json& from, PluginReport& report) {
  report.version = from.at("version");
  report.summary = from.at("summary");
  report.selects = from.at("selects");
  report.score = from.at("score");
  report.reason = from.at("reason");
  for (const json& option : from.at("options"))
    report.options.push_back(
        {option.at("key"), option.at("type"), option.at("default"), option.at("range"), option.at("help")});
}

json to_value(const PluginReport& report) {
  const Candidate& candidate = report.candidate;
  json value = {{"kind", name_of(candidate.kind)},
                {"name", candidate.name},
                {"space", name_of(candidate.space)},
                {"file", candidate.file.string()},
                {"shadows", json::array()}};
  for (const auto& file : candidate.shadows) value["shadows"].push_back(file.string());
  if (!report.refusal.empty()) {
    value["refusal"] = report.refusal;
    return value;
  }
  value["version"] = report.version;
  value["summary"] = report.summary;
  if (candidate.kind == Kind::sampler) value["selects"] = report.selects;
  value["score"] = report.score;
  value["reason"] = report.reason;
  value["options"] = json::array();
  for (const OptionText& option : report.options)
    value["options"].push_back({{"key", option.key},
                                {"type", option.type},
                                {"default", option.fallback},
                                {"range", option.range},
                                {"help", option.help}});
  return value;
}

}  // namespace

PluginReport inspect(PluginHost& host, const Candidate& candidate, std::chrono::milliseconds limit) {
  PluginReport report;
  report.candidate = candidate;
  const auto describe = [&]() -> std::string {
    try {
      return dumped(described(host.open(candidate)));
    } catch (const Error& error) {
      return dumped({{"refusal", error.what()}});
    }
  };
  const ChildResult result = run_in_child(describe, limit);
  if (!result.failure.empty()) {
    report.refusal = candidate.file.string() + ": " + result.failure + " when it was opened";
    return report;
  }
  const json value = json::parse(result.text);
  if (value.contains("refusal"))
    report.refusal = value["refusal"];
  else
    read_description(value, report);
  return report;
}

std::vector<PluginReport> inspect_all(PluginHost& host, std::chrono::milliseconds limit) {
  std::vector<PluginReport> reports;
  for (const Candidate& candidate : host.candidates()) reports.push_back(inspect(host, candidate, limit));
  return reports;
}

std::string to_json(const PluginHost& host, const std::vector<PluginReport>& reports) {
  json value = {{"folders", json::array()}, {"plugins", json::array()}, {"rejected", json::array()}};
  for (const auto& folder : host.folders()) value["folders"].push_back(folder.string());
  for (const PluginReport& report : reports) value["plugins"].push_back(to_value(report));
  for (const RejectedFile& file : host.rejected())
    value["rejected"].push_back({{"file", file.file.string()}, {"reason", file.reason}});
  return dumped(value, 2);
}

}  // namespace gpt2run
