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
  CudaPrecision(const Options& options, const Host&) {
    if constexpr (kRounds<Value>) {
      if (options.text("overflow") == "saturate") overflow_ = Overflow::saturate;
    }
  }

  std::unique_ptr<Session> open(const Checkpoint& checkpoint, const Limits& limits) override {
    check_model<Value>(checkpoint.config());
    use_device(limits.device);
    const Traits traits{true, true, true, true, kTolerance<Value>};
    return std::make_unique<CudaSession<Value>>(checkpoint, limits, overflow_, traits);
  }

 private:
  Overflow overflow_ = Overflow::error;
};

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
          kRounds<Value> ? &kOverflowOption : nullptr,
          kRounds<Value> ? 1u : 0u,
          probe,
          make<Precision, CudaPrecision<Value>>};
}

}  // namespace gpt2run::cuda
