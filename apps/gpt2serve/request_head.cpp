#include "gpt2serve/request_head.hpp"

#include <algorithm>

namespace gpt2run {
namespace {

// Whether a field has this value, which is given in small letters, in small or capital ones.
bool is_word(std::string_view value, std::string_view word) {
  const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(value, word, {}, small);
}

}  // namespace

std::string fault_of(const RequestHead& head) {
  if (head.hosts > 1 || !head.target.starts_with('/')) return "expected one Host and a target that begins with /";
  if (head.transfer_encodings == 0) return "";
  const bool is_known = head.transfer_encodings == 1 && is_word(head.transfer_encoding, "chunked");
  return is_known && head.version >= 11 ? "" : "Transfer-Encoding: expected chunked, and HTTP/1.1";
}

bool asks_to_continue(const RequestHead& head) { return head.version >= 11 && is_word(head.expect, "100-continue"); }

}  // namespace gpt2run
