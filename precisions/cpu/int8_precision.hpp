// The plugins cpu-int8 and cpu-int4: their options, descriptor and precision. plugin_int8.cpp and plugin_int4.cpp only
// name them.
#pragma once
#include <string>

#include "gpt2run/host_plugin.hpp"
#include "int8_ops.hpp"

namespace gpt2run::cpu {

inline constexpr OptionSpec kQuantisedOptions[] = {
    {"isa", "enum", "auto", "auto|portable|avx2|avxvnni|avx512vnni|amx",
     "instruction set of the kernels; auto: the last of these that runs; all give the same bits"},
    {"activations", "enum", "int8", "int8|bf16|fp32", "inputs of the products in the layers"},
    {"head", "enum", "int8", "int8|bf16|fp32", "weights and inputs of the head; a tied embedding is the head's"},
    {"kv", "enum", "fp16", "fp16|int8", "keys and values in the cache"}};

// Traits::tolerance: two correct computations may disagree by one step of an int8 code here and there.
inline constexpr double kQuantisedTolerance = 0x1p-5;

template <Codes kCodes>
class QuantisedPrecision final : public Precision {
 public:
  QuantisedPrecision(const Options& options, const Host& host)
      : isa_(choose_int8_isa(options.text("isa"))),
        formats_{kCodes, format_of(options.text("activations")), format_of(options.text("head"))},
        coded_cache_(options.text("kv") == "int8") {
    if (isa_ == Int8Isa::amx && !tiles_allowed()) {
      isa_ = Int8Isa::avx512vnni;
      host.log(1, "cpu kernels: the system does not allow AMX tiles here; avx512vnni gives the same bits");
    }
    const std::string line = std::string("cpu kernels: ") + kInt8IsaNames[static_cast<int>(kernels_of(isa_).isa)];
    host.log(0, line.c_str());
  }

  std::unique_ptr<Session> open(const Checkpoint& checkpoint, const Limits& limits) override {
    return coded_cache_ ? open_with<int8_t>(checkpoint, limits) : open_with<f16>(checkpoint, limits);
  }

 private:
  static Type format_of(std::string_view name) {
    for (const Type type : {Type::bf16, Type::f32})
      if (name == name_of(type)) return type;
    return Type::i8;
  }

  template <class Storage>
  std::unique_ptr<Session> open_with(const Checkpoint& checkpoint, const Limits& limits) const {
    using Ops = QuantisedOps<Storage>;
    auto ops = std::make_shared<Ops>(isa_, limits.threads, formats_);
    const bool integers = formats_.activations == Type::i8 || formats_.head == Type::i8;
    const Traits traits{true, true,           true, true, kQuantisedTolerance, 0, integers ? "integer" : "ascending",
                        true, ops->contract()};
    return std::make_unique<HostSession<Ops>>(std::move(ops), checkpoint, limits, traits);
  }

  Int8Isa isa_;
  Formats formats_;
  bool coded_cache_;
};

template <Codes kCodes>
constexpr Plugin quantised_plugin(const char* name, const char* summary) {
  return host_plugin<Precision, QuantisedPrecision<kCodes>>(Kind::precision, false, name, "0.1.0", summary,
                                                            kQuantisedOptions);
}

}  // namespace gpt2run::cpu
