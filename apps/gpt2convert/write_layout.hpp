// The layouts that --to names.
#pragma once
#include <string>
#include <string_view>

#include "gpt2run/loader.hpp"
#include "host/options.hpp"
#include "output_set.hpp"

namespace gpt2run::convert {

// Throws UsageError where the layout does not have the type. Both as the options --to and --type have them.
void check_type(std::string_view layout, std::string_view type);

// Writes the model to the files of the layout that --to names. values: the program's options. tokenizer: its path, or
// empty. Throws what the writers throw (target.hpp).
void write_layout(const OptionValues& values, OutputSet& files, const Checkpoint& model, const std::string& tokenizer);

}  // namespace gpt2run::convert
