// A safe listing of plugins. Each library is opened in a child process with a time limit, so that one that crashes,
// exits or hangs when it is opened is reported like any other. The program must have a single thread, because this uses
// fork().
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "host/plugin_host.hpp"

namespace gpt2run {

// A declared option, as in OptionSpec.
struct OptionText {
  std::string key, type, fallback, range, help;
};

// What a plugin says about itself.
struct PluginReport {
  Candidate candidate;
  std::string refusal;  // one line, why it cannot be opened; if empty, the rest is filled in
  std::string version, summary;
  bool selects = false;
  int score = 0;       // of its probe; 0 if it cannot run here
  std::string reason;  // of its probe
  std::vector<OptionText> options;
};

inline constexpr std::chrono::milliseconds kOpenLimit{5000};

// Opens one candidate in a child process. Throws Error only when a child cannot be started.
PluginReport inspect(PluginHost&, const Candidate&, std::chrono::milliseconds limit = kOpenLimit);

// Inspects all candidates, in their order.
std::vector<PluginReport> inspect_all(PluginHost&, std::chrono::milliseconds limit = kOpenLimit);

// The listing as JSON: {"folders": [...], "plugins": [{"kind", "name", "space", "file", "shadows", and either "refusal"
// or the other fields of PluginReport}], "rejected": [{"file", "reason"}]}.
std::string to_json(const PluginHost&, const std::vector<PluginReport>&);

}  // namespace gpt2run
