// Writes arrays and the entries of the index.
#include "tap_record.hpp"

#include <algorithm>

#include "../common/npy.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

std::string list_of(const auto& numbers) {
  std::string text = "[";
  for (const auto number : numbers) text.append(text.size() > 1 ? ", " : "").append(std::to_string(number));
  return text + "]";
}

std::vector<int64_t> write_weights(OutputFile& file, const TapRows& rows, int heads) {
  const int64_t count = std::ssize(rows.positions), keys = rows.positions.back() + 1;
  const std::vector<int64_t> shape = {heads, count, keys};
  file.write(npy_header(shape));
  std::vector<float> row(static_cast<size_t>(keys));
  for (int head = 0; head < heads; ++head) {
    size_t at = 0;
    for (const int32_t position : rows.positions) {
      const size_t own = static_cast<size_t>(position) + 1;
      std::ranges::fill(row, 0.0f);
      std::copy_n(&rows.values[at + head * own], own, row.begin());
      file.write(bytes_of(row));
      at += own * heads;
    }
  }
  return shape;
}

}  // namespace

std::vector<int64_t> write_array(OutputFile& file, const TapPlace& place, const TapRows& rows, int heads) {
  if (place.first == "attention_weights") return write_weights(file, rows, heads);
  const int64_t count = std::ssize(rows.positions);
  const std::vector<int64_t> shape = {count, std::ssize(rows.values) / count};
  file.write(npy_header(shape));
  file.write(bytes_of(rows.values));
  return shape;
}

std::string hugging_face_name(const TapPlace& place, int32_t layers) {
  const auto& [op, layer] = place;
  const std::string block = "transformer.h." + std::to_string(layer);
  if (op == "embed") return "hidden_states[0]";
  if (op == "norm_qkv") return "output of " + block + ".attn.c_attn";
  if (op == "attention_weights") return "attentions[" + std::to_string(layer) + "]";
  if (op == "attention") return "input of " + block + ".attn.c_proj";
  if (op == "project_add") return "input of " + block + ".ln_2";
  if (op == "norm_up_gelu") return "output of " + block + ".mlp.act";
  if (op == "norm_logits") return "logits";
  // The last of transformers' hidden states has gone through the last layernorm, which this has not.
  if (layer + 1 == layers) return "input of transformer.ln_f";
  return "hidden_states[" + std::to_string(layer + 1) + "]";
}

std::string index_entry(uint64_t sequence, const TapRecord& record, const std::vector<TapArray>& arrays,
                        int32_t layers) {
  std::string text = "  {\"sequence\": " + std::to_string(sequence);
  if (!record.name.empty()) text += ", \"id\": " + record.name;
  text += ", \"tokens\": " + list_of(record.tokens) + ", \"arrays\": [";
  const char* separator = "\n";
  for (const TapArray& array : arrays) {
    text.append(separator).append("    {\"file\": ").append(json_quoted(array.file));
    append_field(text, "op", array.place.first);
    text += ", \"layer\": " + (array.place.second < 0 ? "null" : std::to_string(array.place.second));
    append_field(text, "hugging_face", hugging_face_name(array.place, layers));
    text += ", \"shape\": " + list_of(array.shape) + ", \"positions\": " + list_of(array.positions) + "}";
    separator = ",\n";
  }
  return text + "]}";
}

}  // namespace gpt2run
