// The plugin of one CPU number type: its options, descriptor and precision. plugin_<type>.cpp only names the type.
#pragma once
#include <string>

#include "gpt2run/host_plugin.hpp"
#include "ops.hpp"

namespace gpt2run::cpu {

// The sets that have kernels for a type.
template <class Value>
inline constexpr const char* kIsaRange = "auto|portable|avx2|avx512|portable-amx-split|avx512-amx-split|amx-split";
template <>
inline constexpr const char* kIsaRange<f16> = "auto|portable|avx2|avx512|portable-amx-order|avx512-amx-order|amx";
template <>
inline constexpr const char* kIsaRange<bf16> =
    "auto|portable|avx2|avx512|avx512bf16|portable-amx-order|avx512-amx-order|amx";

template <class Value>
inline constexpr const char* kIsaHelp =
    "instruction set of the kernels, and with it the order of sums; auto: by the kind of processor";
template <>
inline constexpr const char* kIsaHelp<float> =
    "instruction set of the kernels, and with it the order of sums; auto: the widest vectors; the last three have a "
    "contract of their own";

template <class Value>
inline constexpr OptionSpec kOptions[] = {{"isa", "enum", "auto", kIsaRange<Value>, kIsaHelp<Value>}, kOverflowOption};

template <class Value>
constexpr bool kRounds = !std::is_same_v<Value, float>;
template <class Value>
constexpr uint32_t kOptionCount = kRounds<Value> ? std::size(kOptions<Value>) : 1;  // FP32 cannot overflow

// Traits::tolerance for models of any depth: a few rounding units of the type. Two correct computations drift that far
// apart when single values round to different sides (docs/numerics.md).
template <class Value>
constexpr double kTolerance = 0x1p-20;  // FP32: 16 units, for sums of some thousand terms in a different order
template <>
inline constexpr double kTolerance<f16> = 0x1p-9;
template <>
inline constexpr double kTolerance<bf16> = 0x1p-6;
inline constexpr double kSplitTolerance = 0x1p-15;  // of FP32 as two BF16 values

// The options of `reference` for FP32 as two BF16 values.
inline constexpr char kSplitContract[] = "w=bf16x2:a=bf16x2:head=bf16x2";

template <class Value>
class CpuPrecision final : public Precision {
 public:
  CpuPrecision(const Options& options, const Host& host) : isa_(choose_isa(options.text("isa"), kType<Value>)) {
    if constexpr (kRounds<Value>) {
      if (options.text("overflow") == "saturate") overflow_ = Overflow::saturate;
    }
    if (isa_ == Isa::amx && !tiles_allowed()) {
      isa_ = Isa::avx512_amx_order;
      const std::string instead = name_of(isa_, kType<Value>);
      host.log(1,
               ("cpu kernels: the system does not allow AMX tiles here; " + instead + " gives the same bits").c_str());
    }
    const std::string line = std::string("cpu kernels: ") + name_of(kernels_of<Value>(isa_).isa, kType<Value>);
    host.log(0, line.c_str());
  }

  std::unique_ptr<Session> open(const Checkpoint& checkpoint, const Limits& limits) override {
    if (reads_tiles(isa_)) return open_as<TilePacking<Value>>(checkpoint, limits);
    return open_as<VectorPacking<Value>>(checkpoint, limits);
  }

 private:
  template <class Packing>
  std::unique_ptr<Session> open_as(const Checkpoint& checkpoint, const Limits& limits) const {
    using Ops = CpuOps<Value, Packing>;
    const Order order = order_of(isa_, kType<Value>);
    const bool split = order == Order::amx_split;
    const Traits traits{true,
                        true,
                        true,
                        true,
                        split ? kSplitTolerance : kTolerance<Value>,
                        sizeof(Value),
                        name_of(order),
                        false,
                        split ? kSplitContract : contract_of(kType<Value>)};
    return std::make_unique<HostSession<Ops>>(std::make_shared<Ops>(isa_, limits.threads, overflow_), checkpoint,
                                              limits, traits);
  }

  Isa isa_;
  Overflow overflow_ = Overflow::error;
};

template <class Value>
constexpr Plugin cpu_plugin(const char* name, const char* summary) {
  return host_plugin<Precision, CpuPrecision<Value>>(Kind::precision, false, name, "0.1.0", summary,
                                                     {kOptions<Value>, kOptionCount<Value>});
}

}  // namespace gpt2run::cpu
