// A command line, an argument in each line.
#include "fuzz/options_under_test.hpp"
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kOptions("options", [](std::string_view bytes) {
  std::vector<std::string> arguments;
  for (std::string argument : parts_of(bytes, 1)) {
    for (size_t end; (end = argument.find('\n')) != argument.npos; argument.erase(0, end + 1))
      arguments.push_back(argument.substr(0, end));
    arguments.push_back(argument);
  }
  // An argument has no zero byte, and a config file is another target's.
  for (std::string& argument : arguments) argument = argument.substr(0, argument.find('\0'));
  std::erase_if(arguments, [](const std::string& argument) { return argument.find("onfig") != argument.npos; });
  std::vector<std::string> words = arguments;
  take_positionals(kCore, words);
  configure(arguments);
});

}  // namespace
}  // namespace gpt2run::fuzz
