// gpt2run-plugin-check: "gpt2plugins check" by its own name, which the tests of a plugin's build call.
#include "common/program/program.hpp"
#include "gpt2plugins/check.hpp"

int main(int count, char** arguments) {
  return gpt2run::run_main("gpt2run-plugin-check", count, arguments, [](const std::vector<std::string>& given) {
    return gpt2run::check_command("gpt2run-plugin-check", given);
  });
}
