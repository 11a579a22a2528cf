// The error for a wrong command line.
#pragma once
#include "gpt2run/error.hpp"

namespace gpt2run {

// An error in what the user typed. Programs exit with code 2.
struct [[gnu::visibility("default")]] UsageError : Error {
  using Error::Error;
};

// As fail(), but throws UsageError.
template <class... Parts>
[[noreturn]] void usage_error(const Parts&... parts) {
  std::ostringstream line;
  (line << ... << parts);
  throw UsageError(line.str());
}

}  // namespace gpt2run
