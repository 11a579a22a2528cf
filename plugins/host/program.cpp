// Signals, standard files and exceptions of a program.
#include "host/program.hpp"

#include <unistd.h>

#include <csignal>
#include <new>

#include "gpt2run/output_file.hpp"
#include "gpt2run/standard_files.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

namespace gpt2run {

int run_main(const std::string& name, int count, char** arguments,
             const std::function<int(std::vector<std::string>)>& work) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  if (!occupy_standard_files()) return 1;
  set_program(name);
  const auto report = [](const char* message, int code) {
    log_error(message);
    return code;
  };
  try {
    return work({arguments + (count > 0), arguments + count});
  } catch (const UsageError& error) {
    return report(error.what(), 2);
  } catch (const std::bad_alloc&) {
    return report("not enough memory", 1);
  } catch (const std::exception& error) {
    return report(error.what(), 1);
  }
}

void print(std::string_view text) { write_all(STDOUT_FILENO, text, "standard output"); }

}  // namespace gpt2run
