#include "library.hpp"

#include <span>
#include <utility>

#include "gpt2run/files/paths.hpp"
#include "host/log.hpp"

namespace gpt2run::python {
namespace {

constexpr size_t kMostKept = 1000;  // messages that wait for Python; later ones are only counted
constexpr int kWarning = 2;

// Never destroyed, because a plugin's thread may still log while the process ends.
struct Library {
  std::mutex log_mutex;
  std::vector<LogLine> log;
  size_t dropped = 0;  // messages since the last take_log()

  std::mutex plugin_mutex;
  std::vector<std::filesystem::path> folders;  // those that were added, the last one first
  std::shared_ptr<PluginHost> host;            // null until it is needed, and after a folder was added
};

Library& library() {
  static auto* const instance = new Library;
  return *instance;
}

PluginFacts facts_of(PluginHost& host, const Candidate& candidate) {
  PluginFacts facts;
  facts.kind = name_of(candidate.kind), facts.name = candidate.name, facts.space = name_of(candidate.space);
  facts.file = candidate.file.string();
  try {
    const Plugin& plugin = host.open(candidate);
    const Probe probe = plugin.probe();
    facts.version = plugin.version, facts.summary = plugin.summary, facts.selects = plugin.selects;
    facts.score = probe.score, facts.reason = probe.reason ? probe.reason : "";
    facts.options.assign(plugin.options, plugin.options + plugin.option_count);
  } catch (const Error& error) {
    facts.refusal = error.what();
  }
  return facts;
}

}  // namespace

void set_up(const std::filesystem::path& folder) {
  set_installation(folder);
  set_log_receiver([](int level, const std::string& text) {
    const std::lock_guard lock(library().log_mutex);
    if (library().log.size() < kMostKept)
      library().log.push_back({level, text});
    else
      ++library().dropped;
  });
}

std::vector<LogLine> take_log() {
  const std::lock_guard lock(library().log_mutex);
  std::vector<LogLine> lines = std::exchange(library().log, {});
  if (const size_t dropped = std::exchange(library().dropped, 0))
    lines.push_back({kWarning, std::to_string(dropped) + " more messages were dropped: " + std::to_string(kMostKept) +
                                   " are kept until a call returns"});
  return lines;
}

void add_plugin_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    fail("plugin folder ", folder.string(), ": expected a folder", error ? ": " + error.message() : "");
  const std::lock_guard lock(library().plugin_mutex);
  library().folders.insert(library().folders.begin(), std::filesystem::absolute(folder));
  library().host = nullptr;
}

LockedPlugins lock_plugins() {
  LockedPlugins plugins{nullptr, std::unique_lock(library().plugin_mutex)};
  if (!library().host) library().host = std::make_shared<PluginHost>(library().folders);
  plugins.host = library().host;
  return plugins;
}

std::vector<PluginFacts> list_plugins() {
  const LockedPlugins plugins = lock_plugins();
  std::vector<PluginFacts> all;
  for (const Candidate& candidate : plugins.host->candidates()) all.push_back(facts_of(*plugins.host, candidate));
  return all;
}

}  // namespace gpt2run::python
