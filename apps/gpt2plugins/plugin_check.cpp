// gpt2run-plugin-check: checks that a plugin keeps the contract of its kind. Exit codes: 0 when no check failed, 1 when
// one did, 2 for a wrong command line.
#include <algorithm>
#include <iostream>

#include "common/program/crash_report.hpp"
#include "common/program/program.hpp"
#include "conformance/checks.hpp"
#include "conformance/sampler_checks.hpp"
#include "host/descriptor.hpp"
#include "host/dynamic_library.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

namespace gpt2run::conformance {
namespace {

constexpr char kNoDriver[] = "there is no CUDA driver";
constexpr char kUsage[] =
    "usage: gpt2run-plugin-check FILE    what the contract asks of the plugin's kind, a line each\n";

Identity identity_of(const std::filesystem::path& file) {
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
const Plugin* find_precision_in(const std::filesystem::path& file, Space space, std::string& why) {
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
      Opened(plugin).session(kRigLimits);
      return &plugin;
    } catch (const Error& error) {
      why += "; " + one.file.filename().string() + ": " + error.what();
    }
  }
  return nullptr;
}

void check_sampler_in_its_memory(Report& report, const std::filesystem::path& file, const Plugin& plugin) {
  if (plugin.space == Space::host) return check_sampler(report, plugin, nullptr);
  std::string why;
  if (const Plugin* precision = find_precision_in(file, plugin.space, why))
    return check_sampler(report, plugin, precision);
  report.did_not_run(file.filename().string(), why);
}

void check_kind(Report& report, const std::filesystem::path& file, const Plugin& plugin) {
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

int check_plugin(const std::filesystem::path& file) {
  Report report(std::cout);
  check_file(report, file);
  const Plugin* plugin = nullptr;
  const bool opened = report.check("it opens, and its descriptor fits its name, the ABI and its options", [&] {
    const Identity identity = identity_of(file);
    if (identity.space == Space::cuda && !has_driver()) throw Skipped(kNoDriver);
    plugin = &open_descriptor(file, identity);
  });
  const std::string name = file.filename().string();
  if (opened && !plugin) report.did_not_run(name, kNoDriver);
  if (!plugin) return report.finish();
  if (!check_descriptor(report, *plugin)) return report.finish();
  const Probe probe = plugin->probe();
  if (probe.score > 0)
    check_kind(report, file, *plugin);
  else
    report.did_not_run(name, probe.reason ? probe.reason : "");
  return report.finish();
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && (arguments[0] == "--help" || arguments[0] == "-h")) return print(kUsage), 0;
  if (arguments.size() != 1 || arguments[0].empty() || arguments[0].front() == '-')
    usage_error("expected the file of one plugin; --help shows the usage");
  set_quiet(true);
  return check_plugin(std::filesystem::absolute(arguments[0]));
}

}  // namespace
}  // namespace gpt2run::conformance

int main(int count, char** arguments) {
  return gpt2run::run_main("gpt2run-plugin-check", count, arguments,
                           [](const std::vector<std::string>& given) { return gpt2run::conformance::run(given); });
}
