// Detection of instruction sets. Every call asks the processor and the operating system.
#ifdef GPT2RUN_CPU_X86
#include <cpuid.h>
#endif

#include "gpt2run/error.hpp"
#include "kernels.hpp"

namespace gpt2run::cpu {
namespace {

#ifdef GPT2RUN_CPU_X86
// Conversions of FP16. clang's __builtin_cpu_supports does not know this name.
bool has_f16c() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

}  // namespace

bool runs(Isa isa) {
  if (isa == Isa::portable) return true;
#ifdef GPT2RUN_CPU_X86
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (isa == Isa::avx2) return avx2;
  const bool dot = isa != Isa::avx512bf16 || __builtin_cpu_supports("avx512bf16");
  return dot && avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

Isa choose_isa(std::string_view name, Type type) {
  for (int i = kIsas - 1; i >= 0; --i) {
    const Isa isa = static_cast<Isa>(i);
    if (!serves(isa, type)) continue;
    if (name == "auto" && runs(isa)) return isa;
    if (name != kIsaNames[i]) continue;
    if (!runs(isa))
      fail("isa: this machine does not run ", name, ", auto takes ", kIsaNames[int(choose_isa("auto", type))]);
    return isa;
  }
  fail("isa: auto, portable, avx2, avx512 or (bf16 only) avx512bf16 expected, found ", name);
}

}  // namespace gpt2run::cpu
