// run_main() for several ranks.
#include "common/ranks/run_ranks.hpp"

#include "common/program/crash_report.hpp"
#include "common/program/program.hpp"
#include "host/log.hpp"

namespace gpt2run {

int run_ranks(const std::string& name, int count, char** arguments,
              const std::function<int(std::vector<std::string>, Ranks& ranks)>& work) {
  Ranks ranks;
  const std::vector<std::string> given(arguments + (count > 0), arguments + count);
  // The guard against exit() covers only the work, because MPI itself may call exit() when it starts, ends or aborts.
  const auto work_here = [&] {
    const NoSilentEnd whole;
    return work(given, ranks);
  };
  const auto work_together = [&] {
    ranks.join();
    if (!ranks.is_root()) set_silent(true);
    const bool version = asks_for_version(given);
    const int code = !version ? work_here() : ranks.is_root() ? print_version(name) : 0;
    ranks.finish();
    return code;
  };
  const auto print_error = [](const std::string& line) { set_silent(false), log_error(line); };
  return run_guarded(name, work_together,
                     [&](const std::string& line) { ranks.give_up(line, print_error, interrupted()); });
}

}  // namespace gpt2run
