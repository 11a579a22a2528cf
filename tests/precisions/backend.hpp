// The rows of the precision tests: every precision and type of the host, the CPU ones with every instruction set that
// this machine has; and the few calls that all the tests share. Compiled with GPT2RUN_TEST_PRECISIONS, the folder of
// the CUDA precisions built for the executor, the same tests run those, and no row of the host.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gpt2run/precision.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "support/plugin.hpp"
#ifndef GPT2RUN_TEST_PRECISIONS
#include "int8_kernels.hpp"
#include "kernels.hpp"
#endif

namespace gpt2run::test {

struct Backend {
  std::string name;    // of the row
  std::string plugin;  // of the precision
  OptionValues options;
  Type type;
};

inline std::ostream& operator<<(std::ostream& out, const Backend& backend) { return out << backend.name; }

inline Backend reference(Type type) {
  return {std::string("reference_") + name_of(type), "reference", {{"type", name_of(type)}}, type};
}

// Whether cuBLASLt's own bias, GELU and rounding are taken, whose tanh may be off by this much of itself.
inline constexpr double kFusedTanhError = 0x1p-11;
inline bool fused(const Backend& backend) {
  const auto found = backend.options.find("epilogue");
  return found != backend.options.end() && found->second == "fused";
}

#ifdef GPT2RUN_TEST_PRECISIONS
inline const Plugin& load_precision(const std::string& name) {
  if (!name.starts_with("cuda-")) return load_plugin(Kind::precision, name);
  return load_plugin_file(GPT2RUN_TEST_PRECISIONS "/gpt2run-precision-" + name + ".test.so");
}

inline std::vector<Backend> fast_backends() {
  std::vector<Backend> rows;
  const auto add = [&](Type type, const std::string& invariant) {
    rows.push_back({std::string("cuda_") + name_of(type) + "_" + invariant,
                    std::string("cuda-") + name_of(type),
                    {{"invariant", invariant}},
                    type});
  };
  for (const Type type : {Type::f32, Type::f16, Type::bf16}) add(type, "on");
  for (const char* invariant : {"off", "prefill"}) add(Type::f16, invariant);
  for (const Type type : {Type::f16, Type::bf16}) {
    add(type, "on");
    rows.back().name += "_fused", rows.back().options["epilogue"] = "fused";
  }
  return rows;
}
// For the long tests: what is left of a type's code is in another row.
inline std::vector<Backend> all_backends() {
  std::vector<Backend> rows = fast_backends();
  std::erase_if(rows,
                [](const Backend& row) { return row.name == "cuda_fp16_on" || row.name == "cuda_bf16_on_fused"; });
  return rows;
}
#else
inline const Plugin& load_precision(const std::string& name) { return load_plugin(Kind::precision, name); }

// Whether kernels of the set can be called here: the system may refuse tiles that the processor has.
inline bool usable(cpu::Isa isa) { return cpu::runs(isa) && (isa != cpu::Isa::amx || cpu::tiles_allowed()); }
inline bool usable(cpu::Int8Isa isa) { return cpu::runs(isa) && (isa != cpu::Int8Isa::amx || cpu::tiles_allowed()); }

// One for each set that runs here and has kernels for the type.
inline std::vector<Backend> cpu_backends(Type type) {
  std::vector<Backend> rows;
  for (int i = 0; i < cpu::kIsas; ++i) {
    const auto set = static_cast<cpu::Isa>(i);
    const std::string isa = cpu::name_of(set, type), plugin = std::string("cpu-") + name_of(type);
    std::string name = "cpu_" + std::string(name_of(type)) + "_" + isa;
    std::replace(name.begin(), name.end(), '-', '_');  // a test's name has no other sign
    if (usable(set) && cpu::serves(set, type)) rows.push_back({name, plugin, {{"isa", isa}}, type});
  }
  return rows;
}

inline bool is_split(const Backend& row) {
  return row.type == Type::f32 && cpu::reads_tiles(cpu::choose_isa(row.options.at("isa"), row.type));
}

// Those with the contract of their type.
inline std::vector<Backend> cpu_backends() {
  std::vector<Backend> rows;
  for (const Type type : {Type::f32, Type::f16, Type::bf16}) {
    for (const Backend& row : cpu_backends(type))
      if (!is_split(row)) rows.push_back(row);
  }
  return rows;
}

// FP32 as two BF16 values, which is a contract of its own.
inline std::vector<Backend> split_backends() {
  std::vector<Backend> rows = cpu_backends(Type::f32);
  std::erase_if(rows, [](const Backend& row) { return !is_split(row); });
  return rows;
}

// The precisions of 8 and 4 bits with every instruction set that this machine has, then their other formats.
inline std::vector<Backend> quantised_backends() {
  std::vector<Backend> rows;
  const auto add = [&](Type type, const std::string& name, const OptionValues& options) {
    rows.push_back(
        {"cpu_" + std::string(name_of(type)) + "_" + name, std::string("cpu-") + name_of(type), options, type});
  };
  for (const Type type : {Type::i8, Type::u4}) {
    for (int i = 0; i < cpu::kInt8Isas; ++i)
      if (usable(static_cast<cpu::Int8Isa>(i))) add(type, cpu::kInt8IsaNames[i], {{"isa", cpu::kInt8IsaNames[i]}});
    add(type, "kv_int8", {{"kv", "int8"}});
    add(type, "bf16", {{"activations", "bf16"}, {"head", "bf16"}});
    add(type, "fp32", {{"activations", "fp32"}, {"head", "fp32"}, {"kv", "int8"}});
    add(type, "head_fp32", {{"head", "fp32"}});
  }
  return rows;
}

// Calls run(packing), where the packing is the one that the kernels of a set that serves the type read.
template <class Value, class Run>
void with_packing(cpu::Isa isa, const Run& run) {
  if (cpu::reads_tiles(isa)) return run(cpu::TilePacking<Value>());
  run(cpu::VectorPacking<Value>());
}

// All that are made of kernels for types that one value can have.
inline std::vector<Backend> fast_backends() { return cpu_backends(); }

inline std::vector<Backend> all_backends() {
  std::vector<Backend> rows = cpu_backends();
  for (const Backend& row : quantised_backends()) rows.push_back(row);
  for (const Type type : {Type::f32, Type::f16, Type::bf16}) rows.push_back(reference(type));
  return rows;
}
#endif

inline std::vector<Backend> rows_of(std::vector<Backend> rows, const std::vector<Type>& types) {
  std::erase_if(rows,
                [&](const Backend& row) { return std::find(types.begin(), types.end(), row.type) == types.end(); });
  return rows;
}

inline std::string row_name(const testing::TestParamInfo<Backend>& row) { return row.param.name; }

inline std::unique_ptr<Precision> make_precision(const Backend& backend) {
  const Plugin& plugin = load_precision(backend.plugin);
  const PluginOptions options(plugin, backend.options);
  return std::unique_ptr<Precision>(static_cast<Precision*>(plugin.create(options, kTestHost)));
}

// Limits that hold `slots` whole contexts, and as many rows in a step.
inline Limits limits_for(const Checkpoint& checkpoint, int slots = 1, int threads = 1) {
  const int context = checkpoint.config().T;
  return {slots, context, slots * context, slots * context, threads, 0, false};
}

// (rows, V) of a batch, without the gaps.
inline std::vector<float> copy_logits(Session& session, const LogitBatch& batch) {
  std::vector<float> logits(size_t(batch.rows) * batch.vocab);
  for (int r = 0; r < batch.rows; ++r)
    session.read(batch.logits + r * batch.stride, &logits[size_t(r) * batch.vocab], batch.vocab * sizeof(float));
  return logits;
}

// Feeds the tokens to the slot's end in one step; the logits of all of them.
inline std::vector<float> feed(Session& session, int slot, const std::vector<int32_t>& tokens) {
  std::vector<Row> rows;
  for (const int32_t token : tokens) rows.push_back({slot, token, true});
  return copy_logits(session, session.step(rows));
}

// The logits (tokens, V) of a text in a session of its own.
inline std::vector<float> logits_of(const Backend& backend, const Checkpoint& checkpoint,
                                    const std::vector<int32_t>& tokens) {
  const auto session = make_precision(backend)->open(checkpoint, limits_for(checkpoint));
  return feed(*session, 0, tokens);
}

inline double rms(const std::vector<float>& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares / std::max<size_t>(values.size(), 1));
}

// Root of the mean squared difference.
inline double rms_error(const std::vector<float>& values, const std::vector<float>& expected) {
  if (values.size() != expected.size()) return NAN;
  std::vector<float> difference(values.size());
  for (size_t i = 0; i < values.size(); ++i) difference[i] = values[i] - expected[i];
  return rms(difference);
}

// Seeded tokens below V.
inline std::vector<int32_t> some_tokens(int count, int32_t vocab, uint32_t seed = 1) {
  std::vector<int32_t> tokens;
  for (uint32_t x = seed; count > 0; --count) {
    x = x * 1664525u + 1013904223u;
    tokens.push_back(static_cast<int32_t>(uint64_t(x) * vocab >> 32));
  }
  return tokens;
}

}  // namespace gpt2run::test
