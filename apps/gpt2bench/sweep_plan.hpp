// The plan of a sweep: one run of the pipeline for each combination of length, precision and sampler.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "common/pipeline/compose.hpp"

namespace gpt2run {

// The sweep's own files in its folder: statistics of whole runs, and statistics by position.
inline constexpr const char* kTables[] = {"/timings.csv", "/positions.csv"};

// One run, as a command line. Its files are timings_<name>.json and manifests/<name>.json with name() for <name>.
struct SweepRun {
  std::string placement;               // where it samples: "host", or "device", where the logits are
  std::string precision;               // the type in upper case, such as FP16; else the plugin's name
  int32_t length;                      // T, the tokens of a whole sequence, prompt included
  std::vector<std::string> arguments;  // for pipeline_options()
  std::string manifest;                // path of its manifest
  std::string out;                     // folder of the sweep

  std::string name() const { return placement + "_" + precision + "_" + std::to_string(length); }
};

// The options of a sweep: its own, and those of the pipeline that all runs share.
std::span<const CoreOption> sweep_options();

// The runs of a sweep, ordered by length, then precision, then sampler. arguments: those from which `configuration` was
// made. Throws UsageError for a wrong command line, and for one that would give two runs the same name; Error for a
// plugin or model that cannot be opened.
std::vector<SweepRun> plan_sweep(PluginHost& host, const Configuration& configuration,
                                 const std::vector<std::string>& arguments);

// The pipeline of a run, without a session. Throws UsageError or Error, also when an output would overwrite an input.
Composition compose(PluginHost& host, const SweepRun& run);

}  // namespace gpt2run
