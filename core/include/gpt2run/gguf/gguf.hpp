// The reader of GGUF, the file format of llama.cpp: a header, metadata (keys with typed values), a directory of
// tensors, and the tensors' data behind them. Versions 2 and 3 are read, in little-endian order. Pure functions on
// bytes, so any thread may use them. What comes from a file is checked against the file's size before anything is
// allocated for it.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr uint32_t kVersion = 3;            // the newest version
inline constexpr uint64_t kDefaultAlignment = 32;  // of each tensor's data, unless general.alignment says another

// The types of values, with the numbers of the file.
enum class ValueType : uint32_t { u8, i8, u16, i16, u32, i32, f32, flag, text, list, u64, i64, f64 };
inline constexpr uint32_t kValueTypes = 13;

// The types of tensors that are read, with the numbers of the file. All others are known by name only.
enum class TensorType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30
};

// The kinds of tokens in tokenizer.ggml.token_type, with the numbers of the file.
enum class TokenKind : int64_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

// llama.cpp's name of a type of tensor, such as "Q2_K", or "type 99" if the number is unknown.
std::string type_text(uint32_t type);

// A value of the metadata. It points into the bytes that were read, which outlive it.
class Value {
 public:
  // bytes: of a text its characters, of a list its elements as the file has them, else the number.
  Value(ValueType type, std::string_view bytes, ValueType element = ValueType::u8, uint64_t count = 0)
      : bytes_(bytes), count_(count), type_(type), element_(element) {}

  // Each returns nothing when the value has another type. Integers may have any width, but must fit into 64 bits with a
  // sign.
  std::optional<int64_t> as_integer() const;
  std::optional<double> as_real() const;
  std::optional<std::string_view> as_text() const;
  std::optional<std::vector<int64_t>> as_integers() const;
  std::optional<std::vector<std::string_view>> as_texts() const;

  std::string description() const;  // for messages, in one line, such as `"llama"` or "a list of 3 texts"

 private:
  std::string_view bytes_;
  uint64_t count_;  // of a list: the number of elements
  ValueType type_, element_;
};

// An entry of the directory. Its numbers are as the file has them: only the loader knows which of them it accepts.
struct StoredTensor {
  std::vector<uint64_t> shape;  // at most four sizes, the one of neighbouring elements first
  uint32_t type;
  uint64_t offset;  // of the data, from Contents::data_begin
};

// What stands before the tensors' data.
struct Contents {
  std::string path;  // for messages
  std::map<std::string_view, Value> values;
  std::map<std::string_view, StoredTensor> tensors;
  uint64_t alignment, data_begin;

  // The value of a key, or nothing when there is none. Throws Error naming file and key when it has another type.
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> real(std::string_view key) const;
  std::optional<std::string_view> text(std::string_view key) const;
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;
  std::optional<std::vector<std::string_view>> texts(std::string_view key) const;
};

// Reads what stands before the data. beginning: the file's first bytes, or all of them; the result points into them.
// size: of the file. Returns nothing when more of the beginning is needed. Throws Error naming the file, the item, what
// was expected and what was found; keys and names of tensors that occur twice are refused.
std::optional<Contents> read(std::string_view beginning, uint64_t size, const std::string& path);

// The name of a weight in llama.cpp. Matrices are (out, in), which the file calls [in,out].
std::string weight_name(Weight weight, int layer);

// Why the tokenizer in the file cannot be used, as an end of a sentence, or "" if it can.
std::string tokenizer_problem(const Contents& contents);

// The id of the token that ends a text: tokenizer.ggml.eos_token_id, or else eot_token_id, or else that of the token
// <|endoftext|>. It is not checked against the vocabulary. -1 if there is none.
int64_t end_of_text(const Contents& contents);

}  // namespace gpt2run::gguf
