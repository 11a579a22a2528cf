// The entry point of libFuzzer for a program with one target.
#include <cstdint>

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gpt2run::fuzz::run(gpt2run::fuzz::targets().front(), {reinterpret_cast<const char*>(data), size});
  return 0;
}
