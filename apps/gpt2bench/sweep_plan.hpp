// What a sweep runs: every length, precision and sampler as the command line of one run of the pipeline.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "common/pipeline/compose.hpp"

namespace gpt2run {

// The sweep's own files in its folder: statistics, then the same by position.
inline constexpr const char* kTables[] = {"/timings.csv", "/positions.csv"};

// One run. Its files are called by name(): timings_<name>.json, manifests/<name>.json.
struct SweepRun {
  std::string placement;               // host, or device: where the logits are
  std::string precision;               // its type in upper case, FP16; the plugin's name where no type is known
  int32_t length;                      // T: tokens of a whole sequence, prompt included
  std::vector<std::string> arguments;  // for pipeline_options()
  std::string manifest;                // file for it
  std::string out;                     // folder of the sweep

  std::string name() const { return placement + "_" + precision + "_" + std::to_string(length); }
};

// Those of the pipeline that every run shares, and the sweep's own.
std::span<const CoreOption> sweep_options();

// Lengths outermost, then precisions, then samplers. arguments: those that configuration was made of. Throws UsageError
// for what cannot be meant or what would give two runs one name, Error for a plugin or model that cannot be had.
std::vector<SweepRun> plan_sweep(PluginHost& host, const Configuration& configuration,
                                 const std::vector<std::string>& arguments);

// The run's pipeline, without a session. Throws UsageError too when a file that is to be written is read.
Composition compose(PluginHost& host, const SweepRun& run);

}  // namespace gpt2run
