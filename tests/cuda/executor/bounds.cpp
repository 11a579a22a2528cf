// The bounds of kernels, read from the bytes before them: GPT2RUN_BOUNDED has the compiler put twice as many there as
// tell the bound. One more may belong to what fills the gap behind the function before: such fillings have longer
// instructions, the last of which may end like one of these.
#include "gpt2run/sdk/cuda/executor.hpp"

namespace gpt2run::executor {

int bound_of(const void* kernel) {
#if !defined(__x86_64__)
  return kMostThreads;  // instructions are longer elsewhere
#endif
  constexpr unsigned char kNop = 0x90;
  const auto* const entry = static_cast<const unsigned char*>(kernel);
  int bytes = 0;
  while (bytes <= bytes_of_bound(31) && entry[-bytes - 1] == kNop) ++bytes;
  const int number = bytes / 2;
  return number > 32 ? number - 32 : number * 32;
}

}  // namespace gpt2run::executor
