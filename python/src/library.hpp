// What the package has once for a process: the plugins that are installed, and the messages for Python's `logging`.
#pragma once
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host/plugin_host.hpp"

namespace gpt2run::python {

// One message of gpt2run. level: 0 debug, 1 info, 2 warning, 3 error.
struct LogLine {
  int level;
  std::string text;
};

// Names the folder of the package, which holds lib/gpt2run and share/gpt2run, and keeps messages for take_log() from
// now on. Called once, when the package is imported.
void set_up(const std::filesystem::path& folder);

// The messages since the last call, in order: the first 1000, and then a warning that says how many more there were.
// They are kept until a thread asks, because the code that logs may hold
// locks and must not wait for Python. Any thread.
std::vector<LogLine> take_log();

// Searches this folder for plugins before all that were added earlier. Models that are open keep theirs. Throws Error
// unless it is a folder. Any thread.
void add_plugin_folder(const std::filesystem::path& folder);

// The plugins as of now, and the right to use them: a PluginHost and the functions of its plugins belong to one thread
// at a time.
struct LockedPlugins {
  std::shared_ptr<PluginHost> host;
  std::unique_lock<std::mutex> lock;
};
LockedPlugins lock_plugins();

// What is known of an installed plugin. The rest is empty if there is a refusal.
struct PluginFacts {
  std::string kind, name, space, file;
  std::string refusal;  // why it cannot be opened, or ""
  std::string version, summary;
  bool selects = false;
  int score = 0;  // 0: it cannot run here
  std::string reason;
  std::vector<OptionSpec> options;  // of a library that stays loaded
};

// All plugins, sorted by kind, name and space. Opens each of them, in this process.
std::vector<PluginFacts> list_plugins();

}  // namespace gpt2run::python
