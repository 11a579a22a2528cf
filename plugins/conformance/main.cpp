// gpt2run-plugin-check: proves of one plugin file what the contract asks of its kind. Exit status: 0 when nothing
// failed, 1 when something did, 2 for a wrong command line.
#include <iostream>

#include "conformance/checks.hpp"
#include "gpt2run/quoted.hpp"
#include "gpt2run/standard_files.hpp"
#include "host/descriptor.hpp"
#include "host/dynamic_library.hpp"
#include "host/log.hpp"

namespace gpt2run::conformance {
namespace {

constexpr char kUsage[] = "usage: gpt2run-plugin-check FILE\n";

Identity identity_of(const std::filesystem::path& file) {
  std::string reason;
  const auto identity = parse_file_name(file.filename().string(), reason);
  if (!identity) fail(reason.empty() ? "expected a name of the form gpt2run-<kind>-<name>[.<space>].so" : reason);
  return *identity;
}

bool has_driver() {
  std::string ignored;
  return opens_system_library("libcuda.so.1", ignored);
}

void check_kind(Report& report, const Plugin& plugin) {
  if (plugin.space != Space::host) return;
  switch (plugin.kind) {
    case Kind::loader:
      return check_loader(report, plugin);
    case Kind::precision:
      return check_precision(report, plugin);
    case Kind::sampler:
      return check_sampler(report, plugin);
    case Kind::sink:
      return check_sink(report, plugin);
  }
}

int check_plugin(const std::filesystem::path& file) {
  Report report;
  check_file(report, file);
  const Plugin* plugin = nullptr;
  const bool opened = report.check("it opens, and its descriptor fits its name, the ABI and its options", [&] {
    const Identity identity = identity_of(file);
    if (identity.space == Space::cuda && !has_driver()) throw Skipped("there is no CUDA driver");
    plugin = &open_descriptor(file, identity);
  });
  if (!opened || !plugin) return report.finish();
  check_descriptor(report, *plugin);
  if (plugin->probe().score > 0) check_kind(report, *plugin);
  return report.finish();
}

}  // namespace
}  // namespace gpt2run::conformance

int main(int count, char** arguments) try {
  if (!gpt2run::occupy_standard_files()) return 1;
  if (count != 2 || arguments[1][0] == '-' || !*arguments[1]) {
    std::cerr << gpt2run::conformance::kUsage;
    return 2;
  }
  gpt2run::set_quiet(true);
  return gpt2run::conformance::check_plugin(std::filesystem::absolute(arguments[1]));
} catch (const std::exception& error) {
  std::cerr << "gpt2run-plugin-check: " << gpt2run::printable(error.what()) << "\n";
  return 1;
}
