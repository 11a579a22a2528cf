// Detection of processors and the choice of an instruction set.
#include "isa.hpp"

#include <string>
#ifdef GPT2RUN_CPU_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "gpt2run/error.hpp"

namespace gpt2run::cpu {
namespace {

#ifdef GPT2RUN_CPU_X86
struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

// Zeros if the processor does not know the question.
Registers ask(unsigned leaf, unsigned part) {
  Registers r;
  if (!__get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d)) return {};
  return r;
}

Processor::Vendor vendor() {
  const Registers r = ask(0, 0);
  if (r.b == signature_AMD_ebx && r.c == signature_AMD_ecx && r.d == signature_AMD_edx) return Processor::Vendor::amd;
  if (r.b == signature_INTEL_ebx && r.c == signature_INTEL_ecx && r.d == signature_INTEL_edx)
    return Processor::Vendor::intel;
  return Processor::Vendor::other;
}
#endif

}  // namespace

Processor this_processor() {
  Processor p;
#ifdef GPT2RUN_CPU_X86
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAmxInt8 = 1u << 25;  // of leaf 7
  constexpr unsigned kAvxVnni = 1u << 4;                                             // of its part 1
  p.vendor = vendor();
  // clang's __builtin_cpu_supports knows neither the conversions of FP16 nor tiles.
  p.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && (ask(1, 0).c & bit_F16C);
  p.avx512 = p.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  p.avx512bf16 = p.avx512 && __builtin_cpu_supports("avx512bf16");
  const unsigned tiles = ask(7, 0).d;
  p.amx = p.avx512 && (tiles & kAmxBf16) && (tiles & kAmxTile);
  p.avxvnni = p.avx2 && (ask(7, 1).a & kAvxVnni);
  p.avx512vnni = p.avx512 && __builtin_cpu_supports("avx512vnni");
  p.amx_int8 = p.avx512vnni && (tiles & kAmxInt8) && (tiles & kAmxTile);
#endif
  return p;
}

bool runs(Isa isa, const Processor& p) {
  switch (isa) {
    case Isa::portable:
    case Isa::portable_amx_order:
      return true;
#ifdef GPT2RUN_CPU_X86
    case Isa::avx2:
      return p.avx2;
    case Isa::avx512:
    case Isa::avx512_amx_order:
      return p.avx512;
    case Isa::avx512bf16:
      return p.avx512bf16;
    case Isa::amx:
      return p.amx;
#endif
    default:
      return (void)p, false;
  }
}

bool runs(Isa isa) { return runs(isa, this_processor()); }

Isa auto_isa(Type type, const Processor& p) {
  if (type == Type::bf16 && runs(Isa::amx, p)) return Isa::amx;
  if (type == Type::bf16 && p.vendor == Processor::Vendor::amd && runs(Isa::avx512bf16, p)) return Isa::avx512bf16;
  if (runs(Isa::avx512, p)) return Isa::avx512;
  return runs(Isa::avx2, p) ? Isa::avx2 : Isa::portable;
}

Isa choose_isa(std::string_view name, Type type, const Processor& processor) {
  const Isa own = auto_isa(type, processor);
  if (name == "auto") return own;
  std::string known = "auto";
  for (int i = 0; i < kIsas; ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (!serves(isa, type)) continue;
    if (name != name_of(isa, type)) {
      known += std::string("|") + name_of(isa, type);
      continue;
    }
    if (runs(isa, processor)) return isa;
    fail("isa: this machine does not run ", name, ", auto takes ", name_of(own, type));
  }
  fail("isa: ", known, " expected, found ", name);
}

Isa choose_isa(std::string_view name, Type type) { return choose_isa(name, type, this_processor()); }

bool tiles_allowed() {
#ifdef GPT2RUN_CPU_X86
  constexpr long kGetPermission = 0x1022, kAskPermission = 0x1023, kTileData = 18;  // of arch_prctl
  uint64_t allowed = 0;
  const auto asked = [&] {
    return syscall(SYS_arch_prctl, kGetPermission, &allowed) == 0 && (allowed >> kTileData & 1);
  };
  const Processor p = this_processor();
  return (p.amx || p.amx_int8) && (asked() || (syscall(SYS_arch_prctl, kAskPermission, kTileData) == 0 && asked()));
#else
  return false;
#endif
}

int prefetch_distance(Processor::Vendor vendor, Type type, Order order) {
  if (type != Type::f16 && type != Type::bf16) return 0;
  if (vendor != Processor::Vendor::intel) return 8192;
  return order == Order::amx4 ? 2048 : 0;
}

}  // namespace gpt2run::cpu
