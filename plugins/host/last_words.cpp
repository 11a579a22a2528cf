// Handlers that do no more than write() and die.
#include "host/last_words.hpp"

#include <unistd.h>

#include "gpt2run/quoted.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

std::string line;  // what the handler writes; not changed while one is installed

void say_and_die(int signal) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
  raise(signal);  // the default action, as soon as this handler returns
}

}  // namespace

LastWords::LastWords(const std::string& message) {
  line = program_name() + ": error: " + printable(message) + "\n";
  struct sigaction action {};
  action.sa_handler = say_and_die;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before_[i]);
}

LastWords::~LastWords() {
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

}  // namespace gpt2run
