// The table and the page as columns of text.
#include "gpt2plugins/report.hpp"

#include <map>

#include "common/program/columns.hpp"

namespace gpt2run {
namespace {

using Line = std::vector<std::string>;

constexpr size_t kWidth = 100;  // of a terminal

std::string runs(const PluginReport& report) {
  if (report.score > 0) return "yes (" + std::to_string(report.score) + ": " + report.reason + ")";
  return "no (" + report.reason + ")";
}

// The refusal without the file's name at its beginning, which is shown elsewhere.
std::string without_file(const PluginReport& report) {
  const std::string file = report.candidate.file.string() + ": ";
  return report.refusal.starts_with(file) ? report.refusal.substr(file.size()) : report.refusal;
}

Line to_line(const PluginReport& report) {
  const Candidate& candidate = report.candidate;
  constexpr size_t kMostOfName = 60;
  const bool is_fit = report.refusal.empty() && report.score > 0;
  const std::string summary = !report.refusal.empty() ? without_file(report)
                              : is_fit                ? report.summary
                                                      : report.reason + " (" + report.summary + ")";
  return {name_of(candidate.kind), printable(candidate.name, kMostOfName), name_of(candidate.space),
          is_fit ? "yes" : "no", summary};
}

}  // namespace

std::string to_table(const PluginHost& host, const std::vector<PluginReport>& reports) {
  std::vector<Line> others;
  std::map<std::filesystem::path, std::vector<Line>> folders;
  for (const PluginReport& report : reports) {
    folders[report.candidate.file.parent_path()].push_back(to_line(report));
    for (const auto& file : report.candidate.shadows)
      others.push_back({"shadowed", file.string(), "by " + report.candidate.file.string()});
  }
  for (const RejectedFile& file : host.rejected()) others.push_back({"rejected", file.file.string(), file.reason});
  std::string text;
  for (const std::filesystem::path& folder : host.folders()) {
    std::vector<Line>& lines = folders[folder];
    if (lines.empty()) continue;
    lines.insert(lines.begin(), {"KIND", "NAME", "SPACE", "RUNS", "WHAT IT IS, OR WHY IT CANNOT RUN"});
    text.append(text.empty() ? "" : "\n").append(printable(folder.string())).append("\n");
    text.append(in_columns(lines, "  ", kWidth));
  }
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
