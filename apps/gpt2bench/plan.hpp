// The options of gpt2bench, and the plugins that they select.
#pragma once
#include <span>
#include <vector>

#include "gpt2bench/measure.hpp"

namespace gpt2run {

// All options of the program.
std::span<const CoreOption> bench_options();

// Parses whole numbers in [least, most], separated by commas, such as "1,2,4". option: for messages. Throws UsageError.
std::vector<int> numbers_of(std::string_view text, std::string_view option, int least, int most);

// Fills `series` with every precision at every number of threads, and returns the sampler chain, completed as
// choose_samplers() does. The options of all these plugins and of the loader are bound. Throws UsageError for a wrong
// command line, and for plugins that cannot be measured together; Error for a plugin that cannot run.
std::vector<BoundPlugin> plan(PluginHost& host, Configuration& configuration, BoundPlugin& loader,
                              std::vector<Series>& series);

}  // namespace gpt2run
