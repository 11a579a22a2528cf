// FloatMode: how the processor rounds and treats subnormal numbers, for the lifetime of an object. A program may have
// set something else on its threads, such as flushing subnormals to zero, which would change the bits of results. On
// x86-64 this is the register MXCSR; on other processors nothing is done.
#pragma once
#include <cstdint>

#include "functions.hpp"

namespace gpt2run::cpu {

// The values of MXCSR: to nearest, subnormals kept, no traps; and the same with subnormals taken and given as zero.
inline constexpr uint32_t kStandardFloats = 0x1f80, kFlushedFloats = 0x9fc0;

// Between its construction and its destruction the calling thread computes in `mode`. Then the thread has again what it
// had before, flags of exceptions included. The compiler may move arithmetic across both, unless it is in a function
// that is GPT2RUN_APART.
class [[nodiscard]] FloatMode {
 public:
#if defined(__SSE2__)
  GPT2RUN_INLINE explicit FloatMode(uint32_t mode) : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(mode); }
  GPT2RUN_INLINE ~FloatMode() { __builtin_ia32_ldmxcsr(before_); }
#else
  GPT2RUN_INLINE explicit FloatMode(uint32_t) : before_(0) {}
  GPT2RUN_INLINE ~FloatMode() { (void)before_; }
#endif
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
  uint32_t before_;
};

}  // namespace gpt2run::cpu
