// The error of a command line that cannot be carried out.
#pragma once
#include "gpt2run/error.hpp"

namespace gpt2run {

// What the user typed cannot be meant: programs exit with 2.
struct [[gnu::visibility("default")]] UsageError : Error {
  using Error::Error;
};

// As fail(), for mistakes in what the user typed.
template <class... Parts>
[[noreturn]] void usage_error(const Parts&... parts) {
  std::ostringstream line;
  (line << ... << parts);
  throw UsageError(line.str());
}

}  // namespace gpt2run
