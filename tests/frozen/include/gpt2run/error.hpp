// The one exception of the contract. A library never prints, exits or aborts on input: it throws Error, one line that
// names where (file, option, tensor), what was expected and what was found. An app prints that line and exits non-zero.
#pragma once
#include <sstream>
#include <stdexcept>

namespace gpt2run {

struct [[gnu::visibility("default")]] Error : std::runtime_error {
  using runtime_error::runtime_error;
};

// Throws Error with all parts written one after another: fail(path, ": expected ", a, " bytes, found ", b).
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream line;
  (line << ... << parts);
  throw Error(line.str());
}

}  // namespace gpt2run
