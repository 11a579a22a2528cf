// Columns of text.
#include "gpt2plugins/report.hpp"

#include "host/columns.hpp"

namespace gpt2run {
namespace {

using Line = std::vector<std::string>;

std::string runs(const PluginReport& report) {
  if (report.score > 0) return "yes (" + std::to_string(report.score) + ": " + report.reason + ")";
  return "no (" + report.reason + ")";
}

// A refusal begins with the file, which has a column of its own.
std::string without_file(const PluginReport& report) {
  const std::string file = report.candidate.file.string() + ": ";
  return report.refusal.starts_with(file) ? report.refusal.substr(file.size()) : report.refusal;
}

Line to_line(const PluginReport& report) {
  const Candidate& candidate = report.candidate;
  constexpr size_t kMostOfName = 60;
  const Line identity = {name_of(candidate.kind), printable(candidate.name, kMostOfName), name_of(candidate.space)};
  Line line = identity;
  if (report.refusal.empty())
    line.insert(line.end(), {report.version, report.summary, runs(report)});
  else
    line.insert(line.end(), {"-", "-", without_file(report)});
  line.push_back(candidate.file.string());
  return line;
}

}  // namespace

std::string to_table(const PluginHost& host, const std::vector<PluginReport>& reports) {
  std::vector<Line> lines = {{"KIND", "NAME", "SPACE", "VERSION", "SUMMARY", "RUNS HERE", "FILE"}};
  std::vector<Line> others;
  for (const PluginReport& report : reports) {
    lines.push_back(to_line(report));
    for (const auto& file : report.candidate.shadows)
      others.push_back({"shadowed", file.string(), "by " + report.candidate.file.string()});
  }
  for (const RejectedFile& file : host.rejected()) others.push_back({"rejected", file.file.string(), file.reason});
  std::string text = in_columns(lines);
  if (!others.empty()) text.append("\n").append(in_columns(others));
  if (constexpr std::string_view why = GPT2RUN_CUDA_WHY; !why.empty())
    text.append("\nCUDA plugins were not built: ").append(why).append("\n");
  return text;
}

std::string to_page(const PluginReport& report) {
  const Candidate& candidate = report.candidate;
  const std::string title = std::string(name_of(candidate.kind)) + " " + candidate.name + "\n";
  if (!report.refusal.empty())
    return title + in_columns({{"memory", name_of(candidate.space)},
                               {"refused", without_file(report)},
                               {"file", candidate.file.string()}},
                              "  ");
  std::vector<Line> facts = {{"summary", report.summary},
                             {"version", report.version},
                             {"memory", name_of(candidate.space)},
                             {"runs here", runs(report)},
                             {"file", candidate.file.string()}};
  if (candidate.kind == Kind::sampler)
    facts.push_back({"role", report.selects ? "selects the token" : "changes the logits"});
  std::vector<Line> options = {{"OPTION", "TYPE", "DEFAULT", "RANGE", "HELP"}};
  for (const OptionText& option : report.options)
    options.push_back({option.key, option.type, option.fallback.empty() ? "\"\"" : option.fallback,
                       option.range.empty() ? "-" : option.range, option.help});
  if (report.options.empty()) options = {{"no options"}};
  return title + in_columns(facts, "  ") + "\n" + in_columns(options, "  ");
}

}  // namespace gpt2run
