// gpt2bench sweep: measures the phases of a step for every combination of length, precision and sampler, by running the
// pipeline of gpt2run for each.
#pragma once
#include <string>
#include <vector>

namespace gpt2run {

// Runs the whole sweep. arguments: those after `gpt2bench sweep`. All runs are composed once before the first one
// starts, so that errors are found early. Writes into the folder --out:
//   timings_{placement}_{precision}_{T}.json    by the sink `timings`, at the end of each run
//   manifests/{placement}_{precision}_{T}.json  the run's manifest
//   timings.csv, positions.csv                  at the end: see SweepTable
// Throws UsageError or Error. Then the two tables are not written, and finished runs keep their files.
void sweep(const std::vector<std::string>& arguments);

}  // namespace gpt2run
