// Detection of the instruction sets for int8. Every call asks the processor and the operating system.
#ifdef GPT2RUN_CPU_X86
#include <cpuid.h>
#endif

#include "gpt2run/error.hpp"
#include "int8_kernels.hpp"

namespace gpt2run::cpu {
namespace {

#ifdef GPT2RUN_CPU_X86
// The VPDPBUSD of 256 bits that needs no AVX-512. Compilers' __builtin_cpu_supports do not all know its name.
bool has_avxvnni() {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1 << 4);
}
#endif

}  // namespace

bool runs(Int8Isa isa) {
#ifdef GPT2RUN_CPU_X86
  if (!runs(floats_of(isa))) return false;
  if (isa == Int8Isa::avxvnni) return has_avxvnni();
  return isa != Int8Isa::avx512vnni || __builtin_cpu_supports("avx512vnni");
#else
  return isa == Int8Isa::portable;
#endif
}

Int8Isa choose_int8_isa(std::string_view name) {
  for (int i = kInt8Isas - 1; i >= 0; --i) {
    const Int8Isa isa = static_cast<Int8Isa>(i);
    if (name == "auto" && runs(isa)) return isa;
    if (name != kInt8IsaNames[i]) continue;
    if (!runs(isa))
      fail("isa: this machine does not run ", name, ", auto takes ", kInt8IsaNames[int(choose_int8_isa("auto"))]);
    return isa;
  }
  fail("isa: auto, portable, avx2, avxvnni or avx512vnni expected, found ", name);
}

const Int8Kernels& kernels_of(Int8Isa isa) {
#ifdef GPT2RUN_CPU_X86
  if (isa == Int8Isa::avx512vnni) return avx512vnni::int8_kernels();
  if (isa == Int8Isa::avxvnni) return avxvnni::int8_kernels();
  if (isa == Int8Isa::avx2) return avx2::int8_kernels();
#endif
  (void)isa;
  return portable::int8_kernels();
}

}  // namespace gpt2run::cpu
