// Runs commands as a user types them, in a folder of their own that is gone afterwards.
#pragma once
#include <gtest/gtest.h>

#include <csignal>

#include "support/program.hpp"

namespace gpt2run {

using test::Outcome;

inline std::string read_text(const std::filesystem::path& path) { return test::read_whole(path); }

class Shell : public testing::Test {
 protected:
  const std::filesystem::path& folder() const { return scratch_.path(); }

  // `gpt2run`, `gpt2tokenize` are those of the build tree. The command's own redirections come after these.
  Outcome run(const std::string& command) const {
    return test::run_program("cd " + folder().string() + " && export PATH=" BINARY_DIR "/bin:$PATH && { " + command +
                             "\n}");
  }

  // The same for a command that starts with a program's name. The program gets the signal (INT is Ctrl-C) once it has a
  // handler for it, or after half a minute.
  Outcome run_interrupted(const std::string& command, const std::string& signal = "INT") const {
    const std::string program = command.substr(0, command.find(' '));
    const int ended_by_signal = 128 + (signal == "HUP" ? SIGHUP : SIGINT);
    // The last hexadecimal digit of the signals that a process catches: SIGHUP is the lowest bit, SIGINT the next one.
    const std::string caught = signal == "HUP" ? "[13579bdf]$" : "[2367abef]$";
    // A signal that comes before the run watches for it ends the program at once: then it comes later the next time.
    constexpr int kTries = 30;
    Outcome outcome;
    for (int tries = 0; tries < kTries; ++tries) {
      outcome = run("env --default-signal=" + signal + " " + command + " & for i in $(seq 3000); do grep -q " +
                    program + " /proc/$!/comm && grep -q 'SigCgt:.*" + caught +
                    "' /proc/$!/status && break; sleep 0.01; done; "
                    "sleep " +
                    std::to_string(0.05 * tries) + "; kill -" + signal + " $!; wait $!");
      if (outcome.code != ended_by_signal) break;
    }
    return outcome;
  }

  void write(const std::string& name, const std::string& text) const { scratch_.file(name, text); }

  // Files and folders of folder(), hidden ones included.
  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::recursive_directory_iterator(folder()),
                                             std::filesystem::recursive_directory_iterator()));
  }

 private:
  test::ScratchFolder scratch_;
};

}  // namespace gpt2run
