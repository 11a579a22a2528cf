// Values of the metadata, and those that belong to the tokenizer.
#include <algorithm>
#include <cstring>

#include "gpt2run/error.hpp"
#include "gpt2run/gguf/gguf.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::gguf {
namespace {

template <class Number>
Number load(const char* at) {
  Number value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// The bytes of an integer of this type, or 0 for a type that is none.
size_t integer_width(ValueType type) {
  switch (type) {
    case ValueType::u8:
    case ValueType::i8:
      return 1;
    case ValueType::u16:
    case ValueType::i16:
      return 2;
    case ValueType::u32:
    case ValueType::i32:
      return 4;
    case ValueType::u64:
    case ValueType::i64:
      return 8;
    default:
      return 0;
  }
}

// The integer of an integer type at this place, or nothing when it does not fit.
std::optional<int64_t> integer_at(ValueType type, const char* at) {
  switch (type) {
    case ValueType::u8:
      return load<uint8_t>(at);
    case ValueType::i8:
      return load<int8_t>(at);
    case ValueType::u16:
      return load<uint16_t>(at);
    case ValueType::i16:
      return load<int16_t>(at);
    case ValueType::u32:
      return load<uint32_t>(at);
    case ValueType::i32:
      return load<int32_t>(at);
    case ValueType::i64:
      return load<int64_t>(at);
    default: {
      const auto value = load<uint64_t>(at);
      return value > uint64_t{INT64_MAX} ? std::nullopt : std::optional(static_cast<int64_t>(value));
    }
  }
}

// The value of a key as `as` reads it. expected: its type in words.
template <class T>
std::optional<T> value_of(const Contents& contents, std::string_view key, std::optional<T> (Value::*as)() const,
                          const char* expected) {
  const auto found = contents.values.find(key);
  if (found == contents.values.end()) return std::nullopt;
  std::optional<T> value = (found->second.*as)();
  if (!value) fail(contents.path, ": ", key, ": expected ", expected, ", found ", found->second.description());
  return value;
}

}  // namespace

std::optional<int64_t> Value::as_integer() const {
  return integer_width(type_) ? integer_at(type_, bytes_.data()) : std::nullopt;
}

std::optional<double> Value::as_real() const {
  if (type_ == ValueType::f32) return load<float>(bytes_.data());
  if (type_ == ValueType::f64) return load<double>(bytes_.data());
  return std::nullopt;
}

std::optional<std::string_view> Value::as_text() const {
  return type_ == ValueType::text ? std::optional(bytes_) : std::nullopt;
}

std::optional<std::vector<int64_t>> Value::as_integers() const {
  const size_t width = integer_width(element_);
  if (type_ != ValueType::list || width == 0) return std::nullopt;
  std::vector<int64_t> integers;
  for (size_t at = 0; at < bytes_.size(); at += width) {
    const std::optional<int64_t> integer = integer_at(element_, bytes_.data() + at);
    if (!integer) return std::nullopt;
    integers.push_back(*integer);
  }
  return integers;
}

std::optional<std::vector<std::string_view>> Value::as_texts() const {
  if (type_ != ValueType::list || element_ != ValueType::text) return std::nullopt;
  std::vector<std::string_view> texts;
  for (size_t at = 0; at < bytes_.size();) {
    const auto size = load<uint64_t>(bytes_.data() + at);
    texts.push_back(bytes_.substr(at + sizeof size, size));
    at += sizeof size + size;
  }
  return texts;
}

std::string Value::description() const {
  if (const auto text = as_text()) return in_quotes(*text);
  if (const auto integer = as_integer()) return std::to_string(*integer);
  if (const auto real = as_real()) return std::to_string(*real);
  if (type_ == ValueType::flag) return bytes_[0] ? "true" : "false";
  if (type_ == ValueType::u64) return std::to_string(load<uint64_t>(bytes_.data()));
  const char* what = element_ == ValueType::text ? " texts" : element_ == ValueType::list ? " lists" : " numbers";
  return "a list of " + std::to_string(count_) + what;
}

std::optional<int64_t> Contents::integer(std::string_view key) const {
  return value_of(*this, key, &Value::as_integer, "an integer");
}
std::optional<double> Contents::real(std::string_view key) const {
  return value_of(*this, key, &Value::as_real, "a floating-point number");
}
std::optional<std::string_view> Contents::text(std::string_view key) const {
  return value_of(*this, key, &Value::as_text, "a text");
}
std::optional<std::vector<int64_t>> Contents::integers(std::string_view key) const {
  return value_of(*this, key, &Value::as_integers, "a list of integers");
}
std::optional<std::vector<std::string_view>> Contents::texts(std::string_view key) const {
  return value_of(*this, key, &Value::as_texts, "a list of texts");
}

// Some pre-tokenizers of llama.cpp are GPT-2's pattern under another name. A file without one comes from the time when
// there was only this one.
std::string tokenizer_problem(const Contents& contents) {
  constexpr std::string_view kPatterns[] = {"gpt-2", "default", "phi-2", "roberta-bpe", "mpt", "olmo", "jais"};
  const std::string model(contents.text("tokenizer.ggml.model").value_or("no_vocab"));
  if (model == "no_vocab" || model == "none" || !contents.values.contains("tokenizer.ggml.tokens"))
    return "the file has no tokenizer";
  if (model != "gpt2") return "tokenizer.ggml.model: expected gpt2, found " + in_quotes(model);
  const std::string_view pattern = contents.text("tokenizer.ggml.pre").value_or("default");
  if (std::find(std::begin(kPatterns), std::end(kPatterns), pattern) == std::end(kPatterns))
    return "tokenizer.ggml.pre: expected gpt-2, found " + in_quotes(pattern);
  return "";
}

int64_t end_of_text(const Contents& contents) {
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
    if (const auto id = contents.integer(key)) return *id;
  const auto tokens = contents.texts("tokenizer.ggml.tokens").value_or(std::vector<std::string_view>());
  const auto found = std::find(tokens.begin(), tokens.end(), "<|endoftext|>");
  return found == tokens.end() ? -1 : found - tokens.begin();
}

}  // namespace gpt2run::gguf
