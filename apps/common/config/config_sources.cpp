// The command line and INI files by Boost.Program_options, with corrections where the library guesses.
#include "common/config/config_sources.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <map>
#include <sstream>

#include "common/config/manifest.hpp"
#include "common/config/other_tools.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

namespace po = boost::program_options;

// The names that the program does not declare, and whether each takes a value.
using PluginNames = std::map<std::string, bool>;

po::options_description describe(std::span<const CoreOption> core, const PluginNames& names) {
  po::options_description description;
  for (const CoreOption& option : core) {
    std::string name = option.spec.key;
    if (option.letter) name += {',', option.letter};
    auto* value = po::value<std::string>();
    if (std::string_view(option.spec.type) == "bool") value->implicit_value("on");
    description.add_options()(name.c_str(), value);
  }
  for (const auto& [name, takes_value] : names) {
    if (takes_value)
      description.add_options()(name.c_str(), po::value<std::string>());
    else
      description.add_options()(name.c_str(), "");
  }
  return description;
}

[[noreturn]] void refuse_unknown(const std::string& typed) {
  const std::string advice = typed.starts_with("--") ? "" : advice_for_letter(typed.substr(1));
  usage_error("unknown option ", printable(typed, kMostOfName),
              advice.empty() ? "; --help lists what there is" : advice);
}

// How the user spelt each long option, by its normalised name.
using Spellings = std::map<std::string, std::string>;

// Splits "--Top-P=0.9" into the normalised name and the text after '='. Returns two empty texts for anything else.
std::pair<std::string, std::string> split_long(const std::string& token, Spellings& spellings) {
  if (token.size() < 3 || token.compare(0, 2, "--") != 0) return {};
  const size_t equal = token.find('=');
  if (equal + 1 == token.size())
    usage_error(printable(token, kMostOfName), ": no value follows '='; an empty one is written as the next argument");
  const std::string typed = token.substr(0, equal), name = normal_name(typed.substr(2));
  spellings.emplace(name, typed);
  return {name, equal == token.npos ? "" : token.substr(equal + 1)};
}

// Takes one-letter flags off the front of the first argument when they are combined with another letter, as in -qn 5.
std::vector<po::option> split_letters(std::span<const CoreOption> core, std::vector<std::string>& arguments) {
  std::vector<po::option> flags;
  std::string& first = arguments.front();
  const auto is_flag = [&](char letter) {
    return std::ranges::any_of(core, [&](const CoreOption& option) {
      return option.letter == letter && std::string_view(option.spec.type) == "bool";
    });
  };
  while (first.size() > 2 && first[0] == '-' && first[2] != '=' && is_flag(first[1])) {
    const std::string flag = first.substr(0, 2);
    flags.emplace_back(flag, std::vector<std::string>{"on"}).original_tokens = {flag};
    first.erase(1, 1);
  }
  return flags;
}

// Prefixes of names are never accepted, because --t, --temp, --tokens and --top_k are all options.
constexpr int kStyle = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing &
                       ~po::command_line_style::allow_sticky;

std::vector<po::option> parse(std::span<const CoreOption> core, const PluginNames& names,
                              const std::vector<std::string>& arguments, Spellings& spellings) {
  const po::options_description description = describe(core, names);
  return po::command_line_parser(arguments)
      .options(description)
      .style(kStyle)
      .extra_style_parser([&](std::vector<std::string>& rest) { return split_letters(core, rest); })
      .extra_parser([&](const std::string& token) { return split_long(token, spellings); })
      .allow_unregistered()
      .run()
      .options;
}

// Whether the library took the next option as this one's value. A value after '=' may well begin with "--".
bool has_option_as_value(const po::option& option) {
  return !option.original_tokens.empty() && option.original_tokens.back().starts_with("--");
}

// Parses with every name in `names` declared. A name without a value is marked as a flag instead of being refused, so
// that a misspelt flag is later reported as unknown rather than as incomplete.
std::vector<po::option> parse_strictly(std::span<const CoreOption> core, PluginNames names,
                                       const std::vector<std::string>& arguments, Spellings& spellings) {
  while (true) {
    try {
      std::vector<po::option> options = parse(core, names, arguments, spellings);
      const auto valueless = std::find_if(options.begin(), options.end(), [&](const po::option& option) {
        const auto name = names.find(option.string_key);
        return name != names.end() && name->second && has_option_as_value(option);
      });
      if (valueless == options.end()) return options;
      names[valueless->string_key] = false;
    } catch (const po::invalid_command_line_syntax& error) {
      const auto name = names.find(normal_name(error.get_option_name().substr(2)));
      if (name == names.end() || !name->second) throw;
      name->second = false;
    }
  }
}

// Whether this is a positional argument. The library also gives a positional argument to a flag before it, because a
// flag may take a value after '='.
bool is_stray(const po::option& option, std::span<const CoreOption> core) {
  if (option.position_key >= 0) return true;
  const auto flag = std::find_if(core.begin(), core.end(), [&](const CoreOption& one) {
    return option.string_key == one.spec.key && std::string_view(one.spec.type) == "bool";
  });
  return flag != core.end() && !option.value.empty() && !option.original_tokens.empty() &&
         option.original_tokens.back() == option.value.front();
}

bool takes_prompts(std::span<const CoreOption> core) {
  return std::ranges::any_of(core,
                             [](const CoreOption& option) { return option.spec.key == std::string_view("prompt"); });
}

// An argument that belongs to no option. Other tools have names of several letters behind one dash, which are letters
// here: then the value is left over.
[[noreturn]] void refuse_stray(const std::string& stray, std::span<const CoreOption> core,
                               const std::vector<std::string>& arguments) {
  const auto at = std::ranges::find(arguments, stray);
  const std::string before = at == arguments.begin() || at == arguments.end() ? "" : at[-1];
  if (before.size() > 2 && before[0] == '-' && before[1] != '-' && !advice_for_letter(before.substr(1)).empty())
    refuse_unknown(before);
  if (before.size() > 3 && before[0] == '-' && before[1] != '-')
    usage_error("unknown option ", printable(before, kMostOfName), "; a name begins with two dashes: -",
                printable(before, kMostOfName));
  usage_error("unexpected argument ", in_quotes(stray), "; ",
              takes_prompts(core) ? "a prompt is given with --prompt TEXT" : "--help lists what there is");
}

std::vector<Setting> to_settings(const std::vector<po::option>& options, std::span<const CoreOption> core,
                                 const std::vector<std::string>& arguments, const Spellings& spellings) {
  std::vector<Setting> settings;
  for (const po::option& option : options) {
    if (is_stray(option, core)) refuse_stray(option.value.empty() ? "" : option.value.front(), core, arguments);
    if (option.unregistered) refuse_unknown(option.original_tokens.front());
    const auto typed = spellings.find(option.string_key);
    settings.push_back(
        {option.string_key, option.value.empty() ? "on" : option.value.front(),
         typed == spellings.end() ? option.original_tokens.front().substr(0, 2) : printable(typed->second, kMostOfName),
         !option.value.empty()});
  }
  return settings;
}

// Writes '#' inside JSON strings as \u0023, because the INI parser cuts every line at '#', quoted or not.
std::string protect_quoted(const std::string& content) {
  std::istringstream lines(content);
  std::string result, line;
  while (std::getline(lines, line)) {
    const size_t equal = line.find('=');
    const size_t first = equal == line.npos ? line.npos : line.find_first_not_of(" \t", equal + 1);
    bool quoted = first != line.npos && line[first] == '"', escaped = false;
    for (size_t i = 0; i < line.size(); ++i) {
      const bool inside = quoted && i > first;
      if (inside && line[i] == '"' && !escaped) quoted = false;
      escaped = inside && line[i] == '\\' && !escaped;
      result += inside && quoted && line[i] == '#' ? "\\u0023" : std::string(1, line[i]);
    }
    result += '\n';
  }
  return result;
}

// The number of the first line that equals `found` once comments and surrounding blanks are cut off, as the INI parser
// does; 0 when there is none.
size_t line_of(const std::string& content, std::string_view found) {
  std::istringstream lines(content);
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    line.resize(std::min(line.find('#'), line.size()));
    const size_t first = line.find_first_not_of(" \t\r\n"), last = line.find_last_not_of(" \t\r\n");
    if (first != line.npos && std::string_view(line).substr(first, last + 1 - first) == found) return number;
  }
  return 0;
}

}  // namespace

std::vector<Setting> read_line(std::span<const CoreOption> core, const std::vector<std::string>& arguments) {
  try {
    PluginNames names;
    Spellings spellings;
    for (const po::option& option : parse(core, {}, arguments, spellings)) {
      // An unknown letter may be a negative number, the value of the name before it.
      if (!option.unregistered || option.string_key.empty() || option.string_key.front() == '-') continue;
      // The library would read a comma as a separator of long name and letter, and a final star as a wildcard.
      if (option.string_key.find_first_of(",*") != std::string::npos) refuse_unknown(spellings[option.string_key]);
      names.emplace(option.string_key, true);
    }
    return to_settings(parse_strictly(core, names, arguments, spellings), core, arguments, spellings);
  } catch (const po::invalid_command_line_syntax& error) {
    usage_error(printable(error.get_option_name(), kMostOfName), ": a value is missing");
  } catch (const po::error& error) {
    usage_error(printable(error.what()), "; --help lists what there is");
  }
}

std::vector<std::string> take_positionals(std::span<const CoreOption> core, std::vector<std::string>& arguments) {
  std::vector<std::string> words, options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& one = arguments[i];
    if (one == "--") {
      words.insert(words.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
      break;
    }
    if (one.size() < 2 || one[0] != '-') {
      words.push_back(one);
      continue;
    }
    options.push_back(one);
    const bool takes_value = std::ranges::any_of(core, [&](const CoreOption& option) {
      const bool is_named = one.starts_with("--") ? normal_name(one.substr(2)) == option.spec.key
                                                  : one.size() == 2 && one[1] == option.letter;
      return is_named && std::string_view(option.spec.type) != "bool";
    });
    if (takes_value && i + 1 < arguments.size()) options.push_back(arguments[++i]);
  }
  arguments = std::move(options);
  return words;
}

std::vector<Setting> read_ini(const std::string& path, const std::string& content) {
  std::istringstream stream(protect_quoted(content));
  std::vector<Setting> settings;
  try {
    const po::options_description none;
    for (const po::option& option : po::parse_config_file(stream, none, true).options) {
      Setting setting{normal_name(option.string_key), option.value.empty() ? "" : option.value.front(),
                      path + ": " + printable(option.string_key, kMostOfName)};
      if (setting.value.starts_with('"')) setting.value = json_unquoted(setting.value, setting.origin);
      settings.push_back(std::move(setting));
    }
  } catch (const po::invalid_config_file_syntax& error) {
    usage_error(path, ": line ", line_of(content, error.tokens()), ": expected key = value or [section], found ",
                in_quotes(error.tokens()));
  } catch (const po::error& error) {
    usage_error(path, ": ", printable(error.what()));
  }
  return settings;
}

}  // namespace gpt2run
