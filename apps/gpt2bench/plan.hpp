// What is to be measured: the options of the program, and the plugins that they name.
#pragma once
#include <span>
#include <vector>

#include "gpt2bench/measure.hpp"

namespace gpt2run {

std::span<const CoreOption> bench_options();

// "1,2,4": at least one. option: for the message. Throws UsageError.
std::vector<int> numbers_of(std::string_view text, std::string_view option, int least, int most);

// Fills series with every precision at every number of threads and returns the chain of samplers, completed as
// choose_samplers() does; options of all of them and of the loader are bound. Throws UsageError for what cannot be
// meant, Error for a plugin that cannot run.
std::vector<BoundPlugin> plan(PluginHost& host, Configuration& configuration, BoundPlugin& loader,
                              std::vector<Series>& series);

}  // namespace gpt2run
