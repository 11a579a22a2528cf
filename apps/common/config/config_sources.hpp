// The two texts that options come from: the command line and an INI file. The one file that knows
// Boost.Program_options.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "host/options.hpp"

namespace gpt2run {

struct CoreOption {
  OptionSpec spec;
  char letter = 0;       // one-letter name, 0: none
  bool repeats = false;  // may be given several times: a list
};

// One option as somebody gave it.
struct Setting {
  std::string name;       // in normal spelling, without dashes; "section.key" for INI
  std::string value;      // unquoted
  std::string origin;     // how the user named it: "--top-p", "run.ini: sampler.top_p"
  bool has_value = true;  // false: the name of a plugin's option stood alone
};

// All options of a line in its order. Names that `core` does not declare are kept: each takes one value. Throws
// UsageError: an argument that is no option, a missing value, an unknown letter.
std::vector<Setting> read_line(std::span<const CoreOption> core, const std::vector<std::string>& arguments);

// Takes off the line what is neither an option nor an option's value, for a program whose line has such words, and
// gives it in its order. A lone "-" is one of them, and so is all that stands behind "--".
std::vector<std::string> take_words(std::span<const CoreOption> core, std::vector<std::string>& arguments);

// content: of the file at path. A value that starts with '"' is a JSON string, so '#', blanks and line ends survive.
std::vector<Setting> read_ini(const std::string& path, const std::string& content);

}  // namespace gpt2run
