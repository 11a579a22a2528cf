// The plugin of one CUDA number type: its options, descriptor and precision. plugin_<type>.cu only names the type.
#pragma once
#include "session.hpp"

namespace gpt2run::cuda {

// Traits::tolerance, the same as on the CPU: FP32 sums in another order, and a few rounding units (docs/numerics.md).
template <class Value>
constexpr double kTolerance = std::is_same_v<Value, float> ? 0x1p-20
                              : std::is_same_v<Value, f16> ? 0x1p-9
                                                           : 0x1p-6;

// The assumed error of tanh in a fused epilogue, since the library documents none: the maximum relative error of the
// instruction tanh.approx.f32 (PTX ISA). gelu(x) = x (1 + tanh(u)) / 2 is then off by at most 2^-12 |x|. Because
// gelu(x) - gelu(-x) = x, inputs that are distributed evenly around 0 have rms(gelu(x)) >= rms(x) / 2, so the RMS error
// is at most 2^-11 of the RMS of the outputs: one unit of FP16, in addition to the four of kTolerance. The bias adds no
// error, because its values are of the type either way.
inline constexpr double kTanhError = 0x1p-11;

template <class Value>
constexpr double tolerance_of(Epilogue epilogue) {
  return kTolerance<Value> + (epilogue == Epilogue::fused ? kTanhError : 0);
}

template <class Value>
class CudaPrecision final : public Precision {
 public:
  CudaPrecision(const Options& options, const Host&)
      : invariant_(options.text("invariant")), pdl_(options.text("pdl")) {
    if constexpr (kRounds<Value>) {
      if (options.text("overflow") == "saturate") overflow_ = Overflow::saturate;
      if (options.text("epilogue") == "fused") epilogue_ = Epilogue::fused;
    }
  }

  std::unique_ptr<Session> open(const Checkpoint& checkpoint, const Limits& limits) override {
    check_model<Value>(checkpoint.config());
    open_device(limits.device);
    const Invariant invariant = invariant_of(invariant_, limits.slots);
    const Epilogue epilogue = needs_gemm(invariant, limits) ? epilogue_ : Epilogue::exact;
    return std::make_unique<CudaSession<Value>>(checkpoint, limits, overflow_, invariant, tolerance_of<Value>(epilogue),
                                                epilogue, dependent_on(limits.device));
  }

 private:
  // Throws Error for pdl=on where it cannot be.
  bool dependent_on(int device) const {
    if (pdl_ == "off") return false;
    const std::string why = why_no_dependent_launch(device);
    if (pdl_ == "on" && !why.empty()) fail("pdl=on: ", why);
    return why.empty();
  }

  Overflow overflow_ = Overflow::error;
  Epilogue epilogue_ = Epilogue::exact;
  std::string invariant_, pdl_;
};

// It changes no bit.
inline constexpr OptionSpec kPdlOption = {"pdl", "enum", "auto", "auto|on|off",
                                          "a kernel starts before the one in front has ended (programmatic dependent "
                                          "launch): auto, where the device can"};

inline constexpr OptionSpec kCudaOptions[] = {kInvariantOption, kPdlOption, kOverflowOption, kEpilogueOption};

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
          kRounds<Value> ? 4u : 2u,  // FP32 has neither overflow nor a fused epilogue
          probe,
          make<Precision, CudaPrecision<Value>>};
}

}  // namespace gpt2run::cuda
