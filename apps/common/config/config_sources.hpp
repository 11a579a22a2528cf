// Parsers for the two sources of options: the command line and INI files. Their implementation is the only file that
// uses Boost.Program_options.
#pragma once
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/options.hpp"

namespace gpt2run {

// The most characters of an option's name that messages show.
inline constexpr size_t kMostOfName = 60;

// An option of a program itself, in contrast to those of plugins.
struct CoreOption {
  OptionSpec spec;
  char letter = 0;       // one-letter name, or 0
  bool repeats = false;  // may be given several times, as a list
  // The same option in other tools, which is accepted too; empty names are none.
  std::array<std::string_view, 3> also = {};
};

// One option as a user gave it.
struct Setting {
  std::string name;            // normalised, without leading dashes; "section.key" from an INI file
  std::string value;           // without quotes
  std::string origin;          // for messages: "--top-p", "run.ini: sampler.top_p"
  bool has_value = true;       // false: a plugin's option without a value, which is right for a flag
  bool is_translated = false;  // the origin has another tool's name for it
};

// Parses a command line into settings, in its order. A name that `core` does not declare is kept for the plugins and
// takes the next argument as its value, if there is one. Throws UsageError for an argument that is no option, for a
// missing value, and for an unknown letter.
std::vector<Setting> read_line(std::span<const CoreOption> core, const std::vector<std::string>& arguments);

// Removes the positional arguments from a command line and returns them in order: every argument that is neither an
// option nor the value of one, a lone "-", and everything after "--".
std::vector<std::string> take_positionals(std::span<const CoreOption> core, std::vector<std::string>& arguments);

// Parses an INI file. path: for messages. content: the file's text. A value that starts with '"' is a JSON string,
// which may contain '#', leading blanks and line ends. Throws UsageError naming the line.
std::vector<Setting> read_ini(const std::string& path, const std::string& content);

}  // namespace gpt2run
