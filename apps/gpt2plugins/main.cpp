// gpt2plugins: lists the installed plugins and their options, says why one cannot be used, checks plugins, and begins
// new ones.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "common/program/crash_report.hpp"
#include "common/program/program.hpp"
#include "gpt2plugins/check.hpp"
#include "gpt2plugins/new_project.hpp"
#include "gpt2plugins/report.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

constexpr char kUsage[] =
    "usage: gpt2plugins list [--json] [--plugin-dir FOLDER]...   all plugins, and why some cannot be used\n"
    "       gpt2plugins show NAME [--plugin-dir FOLDER]...       one plugin and its options; kind:name where a name\n"
    "                                                            stands for several kinds\n"
    "       gpt2plugins path [--plugin-dir FOLDER]...            the folders that are searched, in order\n"
    "       gpt2plugins new KIND NAME [FOLDER]                   a project for a loader, precision, sampler or sink\n"
    "       gpt2plugins check [--json] [--time-limit SECONDS] FILE...\n"
    "                                                            whether plugins keep the contract of their kinds\n"
    "       gpt2plugins --version\n";

struct Command {
  std::string verb, name;
  std::vector<std::string> words;  // behind the verb
  std::vector<std::filesystem::path> folders;
  bool json = false, help = false;
};

Command parse(const std::vector<std::string>& arguments) {
  Command command;
  std::vector<std::string> words;
  const std::string folder_option = normal_name("--plugin-dir");
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const size_t equal = argument.find('=');
    const std::string name = normal_name(argument.substr(0, equal));
    if (argument == "--json") {
      command.json = true;
    } else if (argument == "--help" || argument == "-h") {
      command.help = true;
    } else if (name == folder_option) {
      if (equal == argument.npos && ++i == arguments.size()) usage_error("--plugin-dir: expected a folder");
      command.folders.push_back(equal == argument.npos ? arguments[i] : argument.substr(equal + 1));
    } else if (argument.starts_with("-")) {
      usage_error("unknown option ", in_quotes(argument), "; gpt2plugins --help lists them");
    } else {
      words.push_back(argument);
    }
  }
  if (command.help) return command;
  if (words.empty()) usage_error("expected a command: list, show, path, new or check");
  command.verb = words.front();
  if (command.verb == "new") {
    if (command.json || !command.folders.empty())
      usage_error("new: expected no options; gpt2plugins --help lists them");
    command.words.assign(words.begin() + 1, words.end());
    return command;
  }
  if (command.verb != "list" && command.verb != "show" && command.verb != "path")
    usage_error("unknown command ", in_quotes(command.verb), ", expected list, show, path, new or check");
  const size_t expected = command.verb == "show" ? 2 : 1;
  if (words.size() < expected) usage_error("show: expected the name of a plugin");
  if (words.size() > expected) usage_error(command.verb, ": unexpected argument ", in_quotes(words[expected]));
  if (command.json && command.verb != "list") usage_error("--json goes with list only");
  if (expected == 2) command.name = words[1];
  return command;
}

std::string full_name(const Candidate& candidate) {
  return std::string(name_of(candidate.kind)) + ":" + candidate.name;
}

// All candidates of a name, which may exist in several memory spaces. Throws UsageError for an unknown name, and for
// one that several kinds have.
std::vector<Candidate> named(const PluginHost& host, std::string name) {
  constexpr std::string_view kDevice = "device-";  // the prefix of --sampler for the memory of the logits
  if (name.starts_with(kDevice)) name.erase(0, kDevice.size());
  std::vector<Candidate> found;
  std::vector<std::string> known;
  for (const Candidate& candidate : host.candidates()) {
    known.push_back(candidate.name);
    if (candidate.name == name || full_name(candidate) == name) found.push_back(candidate);
  }
  if (found.empty()) {
    const std::string near = nearest_name(name, known);
    usage_error("there is no plugin ", in_quotes(name), near.empty() ? "" : ", did you mean " + near + "?",
                "; gpt2plugins list shows all");
  }
  const auto other =
      std::find_if(found.begin(), found.end(), [&](const Candidate& c) { return c.kind != found.front().kind; });
  if (other != found.end())
    usage_error(name, " stands for several plugins: ", full_name(found.front()), ", ", full_name(*other));
  return found;
}

// A page for each candidate. A plugin that is refused has its reason there; only if all of them are, that is an error.
std::string to_pages(PluginHost& host, const std::vector<Candidate>& candidates) {
  std::vector<PluginReport> reports;
  for (const Candidate& candidate : candidates) reports.push_back(inspect(host, candidate));
  const auto is_refused = [](const PluginReport& report) { return !report.refusal.empty(); };
  if (std::all_of(reports.begin(), reports.end(), is_refused)) fail(reports.front().refusal);
  std::string text;
  for (const PluginReport& report : reports) text.append(text.empty() ? "" : "\n").append(to_page(report));
  return text;
}

std::string answer(const Command& command) {
  PluginHost host(command.folders, report_crashes);
  std::string text;
  if (command.verb == "list") {
    const std::vector<PluginReport> reports = inspect_all(host);
    text = command.json ? to_json(host, reports) + "\n" : to_table(host, reports);
  } else if (command.verb == "show") {
    text = to_pages(host, named(host, command.name));
  } else {
    for (const auto& folder : host.folders()) text += folder.string() + "\n";
  }
  return text;
}

}  // namespace
}  // namespace gpt2run

int main(int count, char** arguments) {
  return gpt2run::run_main("gpt2plugins", count, arguments, [](const std::vector<std::string>& given) {
    if (!given.empty() && given.front() == "check")
      return gpt2run::check_command("gpt2plugins check", {given.begin() + 1, given.end()});
    const gpt2run::Command command = gpt2run::parse(given);
    if (command.verb == "new") return gpt2run::new_project(command.words), 0;
    gpt2run::print(command.help ? gpt2run::kUsage : gpt2run::answer(command));
    return 0;
  });
}
