// A GGUF file of a synthetic model without a tokenizer, every tensor FP32, for tests to change.
#pragma once
#include <memory>
#include <string>

#include "gpt2run/loader.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "support/gguf_file.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {

inline std::string gguf_name(Weight weight, int layer) {
  constexpr const char* kNames[kWeights] = {
      "token_embd.weight", "position_embd.weight", "attn_norm.weight", "attn_norm.bias",  "attn_qkv.weight",
      "attn_qkv.bias",     "attn_output.weight",   "attn_output.bias", "ffn_norm.weight", "ffn_norm.bias",
      "ffn_up.weight",     "ffn_up.bias",          "ffn_down.weight",  "ffn_down.bias",   "output_norm.weight",
      "output_norm.bias",  "output.weight"};
  const std::string name = kNames[static_cast<size_t>(weight)];
  return is_per_layer(weight) ? "blk." + std::to_string(layer) + "." + name : name;
}

inline std::unique_ptr<Checkpoint> synthetic(const std::string& spec) {
  return make_plugin<Loader>(Kind::loader, "synthetic")->open(spec.c_str());
}

inline void add_tensor(GgufFile& file, const std::string& name, const Tensor& t) {
  GgufFile::Stored& stored = file.tensor(name);
  const auto cols = static_cast<uint64_t>(t.cols), rows = static_cast<uint64_t>(t.rows);
  stored.shape = t.cols == 1 ? std::vector{rows} : std::vector{cols, rows};
  stored.bytes.clear();
  for (int64_t r = 0; r < t.rows; ++r)
    for (int64_t c = 0; c < t.cols; ++c) stored.bytes += GgufFile::raw(at(t, r, c));
}

inline GgufFile gguf_model(const Checkpoint& model) {
  const ModelConfig& m = model.config();
  const auto number = [](int32_t value) { return static_cast<uint32_t>(value); };
  GgufFile file;
  file.set("general.architecture", std::string("gpt2"));
  file.set("gpt2.block_count", number(m.L)).set("gpt2.context_length", number(m.T));
  file.set("gpt2.embedding_length", number(m.C)).set("gpt2.feed_forward_length", number(m.F));
  file.set("gpt2.attention.head_count", number(m.H)).set("gpt2.attention.layer_norm_epsilon", m.epsilon);
  file.set("tokenizer.ggml.eos_token_id", number(m.end_of_text));
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    if (weight == Weight::head_w && m.tied_head) continue;
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer)
      add_tensor(file, gguf_name(weight, layer), model.tensor(weight, layer));
  }
  return file;
}

}  // namespace gpt2run::test
