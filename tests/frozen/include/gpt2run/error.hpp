// Error, the only exception of the contract, and fail(), which throws it. A library never prints, exits or aborts on
// bad input: it throws Error with one line that says where (file, option or tensor), what was expected and what was
// found. The program prints that line and exits with a code other than zero.
#pragma once
#include <sstream>
#include <stdexcept>

namespace gpt2run {

struct [[gnu::visibility("default")]] Error : std::runtime_error {
  using runtime_error::runtime_error;
};

// Throws Error with a message made of all arguments in order: fail(path, ": expected ", a, " bytes, found ", b).
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream line;
  (line << ... << parts);
  throw Error(line.str());
}

}  // namespace gpt2run
