// The instruction sets that the CPU kernels are compiled for, the order of sums of each, and which of them a processor
// takes. Orders are defined in docs/numerics.md.
#pragma once
#include <cstdint>
#include <string_view>

#include "functions.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run::cpu {

// A set is one of its own where its bits differ, or where it needs other instructions. avx512bf16 is avx512 with BF16
// dot products. amx has the processor's tiles, and the two with amx_order give the bits of its order without them.
enum class Isa : uint8_t { portable, avx2, avx512, avx512bf16, portable_amx_order, avx512_amx_order, amx };
inline constexpr const char* kIsaNames[] = {"portable",         "avx2", "avx512", "avx512bf16", "portable-amx-order",
                                            "avx512-amx-order", "amx"};
inline constexpr int kIsas = 7;

// The name of a set as a user gives it, as the option `isa` of the type's precision. FP32 is split for tiles, which
// changes what is computed, so the three sets then have names of their own.
constexpr const char* name_of(Isa isa, Type type) {
  if (type != Type::f32) return kIsaNames[static_cast<size_t>(isa)];
  switch (isa) {
    case Isa::portable_amx_order:
      return "portable-amx-split";
    case Isa::avx512_amx_order:
      return "avx512-amx-split";
    case Isa::amx:
      return "amx-split";
    default:
      return kIsaNames[static_cast<size_t>(isa)];
  }
}

// True for the sets whose kernels read weights in the layout of tiles (packed.hpp).
GPT2RUN_INLINE constexpr bool reads_tiles(Isa isa) {
  return isa == Isa::portable_amx_order || isa == Isa::avx512_amx_order || isa == Isa::amx;
}

// True if the set has kernels for the type.
constexpr bool serves(Isa isa, Type type) { return isa != Isa::avx512bf16 || type == Type::bf16; }

enum class Order : uint8_t { ascending, dot, amx, amx4, amx_split };
constexpr const char* name_of(Order order) {
  constexpr const char* names[] = {"ascending", "dot", "amx", "amx-4", "amx-split"};
  return names[static_cast<size_t>(order)];
}

// The order of sums that a set's kernels keep.
GPT2RUN_INLINE constexpr Order order_of(Isa isa, Type type) {
  if (reads_tiles(isa)) return type == Type::f32 ? Order::amx_split : type == Type::f16 ? Order::amx4 : Order::amx;
  return isa == Isa::avx512bf16 ? Order::dot : Order::ascending;
}

// What CPUID says about a processor, and the operating system about its registers.
struct Processor {
  enum class Vendor : uint8_t { other, amd, intel };
  Vendor vendor = Vendor::other;
  bool avx2 = false;        // with FMA and the conversions of FP16
  bool avx512 = false;      // F, BW, DQ and VL
  bool avx512bf16 = false;  // dot products of BF16
  bool amx = false;         // tiles and their products of BF16
  bool avxvnni = false;     // VPDPBUSD of 256 bits, without AVX-512
  bool avx512vnni = false;  // VPDPBUSD of 512 bits
  bool amx_int8 = false;    // tiles and their products of int8, with avx512vnni
};

// This machine. Every call asks it.
Processor this_processor();

// True if this build has the kernels and the processor can run them. What the system forbids does not count.
bool runs(Isa, const Processor& processor);
bool runs(Isa);

// What `auto` takes. It goes by the kind of processor and never by a timing, so that the bits are the same on all
// machines of a kind. BF16: tiles where the processor has them; on AMD the dot products of BF16, which are twice as
// fast as multiply-adds there, and half as fast on Intel. Otherwise, and for the other types, the widest multiply-adds.
Isa auto_isa(Type type, const Processor& processor);

// Returns a set by its name; `auto` is the one above. Throws Error for an unknown name, and for a set that the
// processor does not run or that has no kernels for the type.
Isa choose_isa(std::string_view name, Type type, const Processor& processor);
Isa choose_isa(std::string_view name, Type type);

// Whether the calling thread may use tiles. The first call asks the system to allow it, for the whole process, and must
// come before threads are started. A kernel, or the rules of a container, may refuse; so does Linux while a thread has
// an alternate stack for signals that is too small for the tiles.
bool tiles_allowed();

// How many bytes ahead of the weights that one row reads they are prefetched; 0 for not at all. By a table, because it
// is a property of the processor: on AMD it brings 16-bit weights to the bandwidth of plain reading, on Intel it halves
// FP16's. FP32 needs none anywhere.
int prefetch_distance(Processor::Vendor vendor, Type type, Order order);

}  // namespace gpt2run::cpu
