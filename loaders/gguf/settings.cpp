#include "settings.hpp"

#include <algorithm>

#include "../common/limits.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::gguf {
namespace {

void check_architecture(const Contents& contents) {
  constexpr const char* kKey = "general.architecture";
  const auto found = contents.text(kKey);
  if (!found) fail(contents.path, ": ", kKey, ": expected gpt2, found none");
  if (*found != "gpt2")
    fail(contents.path, ": ", kKey, ": expected gpt2, found ", in_quotes(*found),
         ": only GPT-2's architecture runs here");
  const int64_t parts = contents.integer("split.count").value_or(1);
  if (parts > 1)
    fail(contents.path, ": split.count: expected a whole model, found one of ", parts,
         " parts: join them with llama-gguf-split --merge");
}

int32_t size_of(const Contents& contents, const char* key, int64_t most, int64_t fallback = 0) {
  const auto value = contents.integer(key);
  if (!value && !fallback) fail(contents.path, ": ", key, ": expected a number, found none");
  return loaders::checked_size(contents.path, key, value.value_or(fallback), most);
}

// The rows of the token embedding.
int32_t vocabulary_of(const Contents& contents) {
  constexpr const char* kName = "token_embd.weight";
  const auto found = contents.tensors.find(kName);
  if (found == contents.tensors.end()) fail(contents.path, ": expected tensor ", in_quotes(kName), ", found none");
  const std::vector<uint64_t>& shape = found->second.shape;
  if (shape.size() != 2)
    fail(contents.path, ": tensor ", in_quotes(kName), ": expected two dimensions, found ", shape.size());
  const uint64_t rows = std::min(shape[1], uint64_t{INT64_MAX});
  return loaders::checked_size(contents.path, "rows of token_embd.weight", static_cast<int64_t>(rows), kMaxVocab);
}

// Throws Error unless a setting, if it is there, has the only value that GPT-2 has.
void check_same(const Contents& contents, const char* key, int64_t expected) {
  const auto found = contents.integer(key);
  if (found && *found != expected) fail(contents.path, ": ", key, ": expected ", expected, ", found ", *found);
}

// The id, or -1 if it is none of the vocabulary, which is logged.
int32_t token_or_none(const Contents& contents, const char* key, int64_t id, int32_t V, const Host& host) {
  if (id >= 0 && id < V) return static_cast<int32_t>(id);
  if (id != -1)
    host.log(2, (contents.path + ": " + key + ": expected a token id below " + std::to_string(V) + ", found " +
                 std::to_string(id) + ": taken as none")
                    .c_str());
  return -1;
}

}  // namespace

ModelConfig read_settings(const Contents& contents, const Host& host) {
  check_architecture(contents);
  ModelConfig m{};
  m.L = size_of(contents, "gpt2.block_count", loaders::kMaxLayers);
  m.C = size_of(contents, "gpt2.embedding_length", loaders::kMaxWidth);
  m.H = size_of(contents, "gpt2.attention.head_count", loaders::kMaxWidth);
  loaders::check_heads(contents.path, "gpt2.attention.head_count", m);
  m.F = size_of(contents, "gpt2.feed_forward_length", loaders::kMaxWidth, int64_t{4} * m.C);
  m.T = size_of(contents, "gpt2.context_length", loaders::kMaxContext);
  m.V = vocabulary_of(contents);
  constexpr const char* kEpsilon = "gpt2.attention.layer_norm_epsilon";
  m.epsilon = loaders::checked_epsilon(contents.path, kEpsilon, contents.real(kEpsilon).value_or(1e-5));
  check_same(contents, "gpt2.vocab_size", m.V);
  check_same(contents, "gpt2.attention.head_count_kv", m.H);
  check_same(contents, "gpt2.attention.key_length", m.C / m.H);
  check_same(contents, "gpt2.attention.value_length", m.C / m.H);
  m.end_of_text = token_or_none(contents, "end of text", end_of_text(contents), m.V, host);
  const auto other = [&](const char* key) {
    const int32_t id = token_or_none(contents, key, contents.integer(key).value_or(-1), m.V, host);
    return id == m.end_of_text ? -1 : id;
  };
  m.start_of_text = other("tokenizer.ggml.bos_token_id");
  m.other_ends[0] = other("tokenizer.ggml.eot_token_id");
  return m;
}

}  // namespace gpt2run::gguf
