// The choice of an instruction set for int8.
#include <string>

#include "gpt2run/error.hpp"
#include "int8_kernels.hpp"

namespace gpt2run::cpu {

bool runs(Int8Isa isa, const Processor& p) {
  switch (isa) {
    case Int8Isa::portable:
      return true;
#ifdef GPT2RUN_CPU_X86
    case Int8Isa::avx2:
      return p.avx2;
    case Int8Isa::avxvnni:
      return p.avxvnni;
    case Int8Isa::avx512vnni:
      return p.avx512vnni;
    case Int8Isa::amx:
      return p.amx_int8;
#endif
    default:
      return (void)p, false;
  }
}

bool runs(Int8Isa isa) { return runs(isa, this_processor()); }

Int8Isa choose_int8_isa(std::string_view name, const Processor& processor) {
  for (int i = kInt8Isas - 1; i >= 0; --i) {
    const Int8Isa isa = static_cast<Int8Isa>(i);
    if (name == "auto" && runs(isa, processor)) return isa;
    if (name != kInt8IsaNames[i]) continue;
    if (!runs(isa, processor))
      fail("isa: this machine does not run ", name, ", auto takes ",
           kInt8IsaNames[int(choose_int8_isa("auto", processor))]);
    return isa;
  }
  fail("isa: auto, portable, avx2, avxvnni, avx512vnni or amx expected, found ", name);
}

Int8Isa choose_int8_isa(std::string_view name) { return choose_int8_isa(name, this_processor()); }

const Int8Kernels& kernels_of(Int8Isa isa) {
#ifdef GPT2RUN_CPU_X86
  if (isa == Int8Isa::amx) return amx::int8_kernels();
  if (isa == Int8Isa::avx512vnni) return avx512vnni::int8_kernels();
  if (isa == Int8Isa::avxvnni) return avxvnni::int8_kernels();
  if (isa == Int8Isa::avx2) return avx2::int8_kernels();
#endif
  (void)isa;
  return portable::int8_kernels();
}

}  // namespace gpt2run::cpu
