// The checks of one plugin in their order, and the command around them. No code of a plugin runs in this process.
#include "gpt2plugins/check.hpp"

#include <stdlib.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>
#include <system_error>

#include "common/program/crash_report.hpp"
#include "common/program/program.hpp"
#include "conformance/checks.hpp"
#include "conformance/sampler_checks.hpp"
#include "gpt2plugins/verdicts.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/descriptor.hpp"
#include "host/dynamic_library.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;
using conformance::Report;

constexpr char kNoDriver[] = "there is no CUDA driver";

Identity identity_of(const fs::path& file) {
  std::string reason;
  const auto identity = parse_file_name(file.filename().string(), reason);
  if (!identity) fail(reason.empty() ? "expected a name of the form gpt2run-<kind>-<name>[.<space>].so" : reason);
  return *identity;
}

bool has_driver() {
  std::string ignored;
  const CrashReport words("libcuda.so.1", "opened");
  return opens_system_library("libcuda.so.1", ignored);
}

// Finds a precision in this memory space that runs here, so that the sampler can be checked in one of its sessions.
// Those in the folder of the sampler come first. Returns null when there is none, with the reason in `why`.
const Plugin* find_precision_in(const fs::path& file, Space space, std::string& why) {
  PluginHost host({file.parent_path()}, report_crashes);
  why = std::string("there is no precision whose ") + name_of(space) + " memory it could work in";
  std::vector<Candidate> candidates = host.candidates();
  std::stable_partition(candidates.begin(), candidates.end(),
                        [&](const Candidate& one) { return one.file.parent_path() == file.parent_path(); });
  for (const Candidate& one : candidates) {
    if (one.kind != Kind::precision || one.space != space) continue;
    try {
      const Plugin& plugin = host.open(one);
      const Probe probe = plugin.probe();
      if (probe.score <= 0) fail(probe.reason ? probe.reason : "it cannot run here");
      conformance::Opened(plugin).session(conformance::kRigLimits);
      return &plugin;
    } catch (const Error& error) {
      why += "; " + one.file.filename().string() + ": " + error.what();
    }
  }
  return nullptr;
}

void check_sampler_in_its_memory(Report& report, const fs::path& file, const Plugin& plugin) {
  if (plugin.space == Space::host) return check_sampler(report, plugin, nullptr);
  std::string why;
  if (const Plugin* precision = find_precision_in(file, plugin.space, why))
    return check_sampler(report, plugin, precision);
  report.did_not_run(file.filename().string(), why);
}

void check_kind(Report& report, const fs::path& file, const Plugin& plugin) {
  switch (plugin.kind) {
    case Kind::loader:
      return check_loader(report, plugin);
    case Kind::precision:
      return check_precision(report, plugin);
    case Kind::sampler:
      return check_sampler_in_its_memory(report, file, plugin);
    case Kind::sink:
      return check_sink(report, plugin);
  }
}

void check_plugin(Report& report, const fs::path& file) {
  check_file(report, file);
  const auto lacks_driver = [&] { return identity_of(file).space == Space::cuda && !has_driver(); };
  const bool opens = report.check("it opens, and its descriptor fits its name, the ABI and its options", [&] {
    if (lacks_driver()) throw conformance::Skipped(kNoDriver);
    open_descriptor(file, identity_of(file));
  });
  if (!opens) return;
  const std::string name = file.filename().string();
  if (lacks_driver()) return report.did_not_run(name, kNoDriver);
  const Plugin& plugin = open_descriptor(file, identity_of(file));
  if (!check_descriptor(report, plugin)) return;
  const Probe probe = plugin.probe();
  if (probe.score > 0)
    check_kind(report, file, plugin);
  else
    report.did_not_run(name, probe.reason ? probe.reason : "");
}

// On a device the checks share processes, and have the time of ten for that.
conformance::Examination examined(const fs::path& file, std::chrono::milliseconds limit,
                                  const std::function<void(const conformance::Verdict&)>& heard) {
  const bool is_device = file.filename().string().ends_with(std::string(".") + name_of(Space::cuda) + ".so");
  return conformance::examine([&](Report& report) { check_plugin(report, file); },
                              is_device ? conformance::Processes::few : conformance::Processes::one_for_each,
                              is_device ? 10 * limit : limit, heard);
}

// The folder for temporary files of all children, since one that crashes leaves its own behind.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "gpt2run-check-XXXXXX").string();
    if (!mkdtemp(pattern.data())) fail(pattern, ": cannot be made");
    folder_ = pattern;
    setenv("TMPDIR", pattern.c_str(), 1);
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  fs::path folder_;
};

struct CheckCommand {
  std::vector<fs::path> files;
  std::chrono::milliseconds limit{30'000};  // of each check; see examined()
  bool json = false, help = false;
};

std::chrono::milliseconds limit_of(const std::string& text) {
  double seconds = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || !(seconds >= 0.001 && seconds <= 86'400))
    usage_error("--time-limit: expected seconds, from 0.001 to 86400, found ", in_quotes(text));
  return std::chrono::milliseconds(std::llround(seconds * 1000));
}

CheckCommand parse(const std::vector<std::string>& arguments) {
  CheckCommand command;
  const std::string limit_option = normal_name("--time-limit");
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const size_t equal = argument.find('=');
    if (argument == "--json") {
      command.json = true;
    } else if (argument == "--help" || argument == "-h") {
      command.help = true;
    } else if (normal_name(argument.substr(0, equal)) == limit_option) {
      if (equal == argument.npos && ++i == arguments.size()) usage_error("--time-limit: expected seconds");
      command.limit = limit_of(equal == argument.npos ? arguments[i] : argument.substr(equal + 1));
    } else if (argument.empty() || argument.front() == '-') {
      usage_error("expected the file of a plugin, found ", in_quotes(argument), "; --help shows the usage");
    } else {
      command.files.push_back(fs::absolute(argument));
    }
  }
  if (command.files.empty() && !command.help) usage_error("expected the file of a plugin; --help shows the usage");
  return command;
}

std::string usage(const std::string& program) {
  return "usage: " + program +
         " [--json] [--time-limit SECONDS] FILE...\n"
         "what the contract asks of each plugin's kind, a line for each check in the Test Anything Protocol, or JSON.\n"
         "Every check runs in a process of its own, and is stopped after 30 seconds or --time-limit.\n";
}

}  // namespace

int check_command(const std::string& program, const std::vector<std::string>& arguments) {
  const CheckCommand command = parse(arguments);
  if (command.help) return print(usage(program)), 0;
  set_quiet(true);
  const Scratch scratch;
  TapWriter tap(std::cout);
  std::vector<CheckedPlugin> plugins;
  for (const fs::path& file : command.files) {
    if (!command.json && command.files.size() > 1) tap.begin(file);
    const auto heard = [&](const conformance::Verdict& verdict) {
      if (!command.json) tap.write(verdict);
    };
    plugins.push_back({file, examined(file, command.limit, heard)});
  }
  if (command.json)
    std::cout << to_json(plugins) << std::endl;
  else
    tap.finish(plugins);
  if (!std::cout) fail("standard output cannot be written: the report is not whole");
  return failed_of(plugins) == 0 ? 0 : 1;
}

}  // namespace gpt2run
