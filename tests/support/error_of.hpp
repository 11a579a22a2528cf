// What a call throws, as a text.
#pragma once
#include <string>

#include "gpt2run/error.hpp"

namespace gpt2run::test {

// The message of the Error that call() throws, or "no error", which no test expects of a call that must fail.
template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace gpt2run::test
