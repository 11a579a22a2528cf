// What the first lines of an HTTP request ask of the connection itself, before its body is read.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace gpt2run {

// The views are of the header, which must live longer. A field is empty where it is missing.
struct RequestHead {
  unsigned version = 11;  // 11: HTTP/1.1
  std::string_view target, transfer_encoding, expect;
  size_t hosts = 0, transfer_encodings = 0;  // how often these fields occur
};

// What is wrong with a head that could be parsed, or an empty text. A Transfer-Encoding that this server does not undo
// is refused, since a proxy before it might take another end of the body for the true one.
std::string fault_of(const RequestHead& head);

// Whether the client waits for 100 Continue before it sends the body. In HTTP/1.0 the field has no meaning.
bool asks_to_continue(const RequestHead& head);

}  // namespace gpt2run
