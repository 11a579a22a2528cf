// gpt2bench sweep: how long the phases of a pass take, for every length, precision and sampler. The pipeline of
// gpt2run, run many times.
#pragma once
#include <string>
#include <vector>

namespace gpt2run {

// arguments: behind `gpt2bench sweep`. All runs are composed once before the first one begins. Writes into --out
//   timings_{placement}_{precision}_{T}.json   by the sink `timings`, as each run ends
//   manifests/{placement}_{precision}_{T}.json  what repeats it
//   timings.csv, positions.csv                  at the end: see SweepTable
// Throws UsageError or Error; then the two tables are not written, and finished runs keep their files.
void sweep(const std::vector<std::string>& arguments);

}  // namespace gpt2run
