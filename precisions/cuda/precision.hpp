// The plugin of one CUDA type: options, descriptor and session. plugin_<type>.cu names the type, that is all.
#pragma once
#include "session.hpp"

namespace gpt2run::cuda {

template <class Value>
constexpr bool kRounds = !std::is_same_v<Value, float>;

// As the CPU's: FP32 sums in another order; a few units of rounding of the type (docs/numerics.md).
template <class Value>
constexpr double kTolerance = std::is_same_v<Value, float> ? 0x1p-20
                              : std::is_same_v<Value, f16> ? 0x1p-9
                                                           : 0x1p-6;

template <class Value>
class CudaPrecision final : public Precision {
 public:
  CudaPrecision(const Options& options, const Host&) : invariant_(options.text("invariant")) {
    if constexpr (kRounds<Value>) {
      if (options.text("overflow") == "saturate") overflow_ = Overflow::saturate;
    }
  }

  std::unique_ptr<Session> open(const Checkpoint& checkpoint, const Limits& limits) override {
    check_model<Value>(checkpoint.config());
    use_device(limits.device);
    return std::make_unique<CudaSession<Value>>(checkpoint, limits, overflow_, invariant_of(invariant_, limits.slots),
                                                kTolerance<Value>);
  }

 private:
  Overflow overflow_ = Overflow::error;
  std::string invariant_;
};

inline constexpr OptionSpec kCudaOptions[] = {kInvariantOption, kOverflowOption};

template <class Value>
constexpr Plugin cuda_plugin(const char* name, const char* summary) {
  return {kAbi,
          kTag,
          Kind::precision,
          kSpace,
          false,
          name,
          "0.1.0",
          summary,
          kCudaOptions,
          kRounds<Value> ? 2u : 1u,  // FP32 has no overflow to speak of
          probe,
          make<Precision, CudaPrecision<Value>>};
}

}  // namespace gpt2run::cuda
