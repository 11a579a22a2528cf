// What the plugins that were found say about themselves, learned without risking the caller: every library is opened in
// a child process with a time limit, so one that crashes, exits or hangs when it is opened is a report like any other.
// For programs with one thread (fork).
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "host/plugin_host.hpp"

namespace gpt2run {

struct OptionText {
  std::string key, type, fallback, range, help;
};

struct PluginReport {
  Candidate candidate;
  std::string refusal;  // one line: why it cannot be opened; empty: it can, and the rest is known
  std::string version, summary;
  bool selects = false;
  int score = 0;  // of its probe; 0: cannot run here
  std::string reason;
  std::vector<OptionText> options;
};

inline constexpr std::chrono::milliseconds kOpenLimit{5000};

// Opens one candidate in a child. Throws Error only when the system gives no child.
PluginReport inspect(PluginHost&, const Candidate&, std::chrono::milliseconds limit = kOpenLimit);

std::vector<PluginReport> inspect_all(PluginHost&, std::chrono::milliseconds limit = kOpenLimit);

// {"folders": [...], "plugins": [{"kind", "name", "space", "file", "shadows", "refusal" or the rest}], "rejected":
// [{"file", "reason"}]}
std::string to_json(const PluginHost&, const std::vector<PluginReport>&);

}  // namespace gpt2run
