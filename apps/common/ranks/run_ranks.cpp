// run_main() for several ranks.
#include "common/ranks/run_ranks.hpp"

#include "common/program/crash_report.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/program.hpp"
#include "host/log.hpp"

namespace gpt2run {

int run_ranks(const char* name, int count, char** arguments,
              const std::function<int(std::vector<std::string>, Ranks& ranks)>& work) {
  Ranks ranks;
  const auto work_together = [&] {
    const std::vector<std::string> given(arguments + (count > 0), arguments + count);
    ranks.join();
    if (!ranks.is_root()) set_silent(true);
    // One rank that ends makes mpirun end the others by a signal: of these, none has anything to tell.
    if (ranks.size() > 1) end_at_interrupts(nullptr);
    const bool version = asks_for_version(given);
    // The guard against exit() covers only the work, because MPI itself may call exit() when it starts, ends or aborts.
    const auto work_here = [&] {
      const NoSilentEnd whole;
      return work(given, ranks);
    };
    const int code = !version ? work_here() : ranks.is_root() ? print_version(name) : 0;
    ranks.finish();
    return code;
  };
  const auto print_error = [](const std::string& line) { set_silent(false), report_error(line); };
  return run_guarded(name, std::ref(work_together),  // a reference, for which no memory is taken
                     [&](const std::string& line) { ranks.give_up(line, print_error, interrupted()); });
}

}  // namespace gpt2run
