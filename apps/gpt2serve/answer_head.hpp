// The parts of an HTTP answer as bytes.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpt2run {

// Fields of a header, as names and values.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The status line and all fields but those that say where the body ends; the empty line is not part of it.
// content_type: empty for an answer without a body. keep: whether the connection stays open.
std::string answer_head(int status, std::string_view content_type, bool keep, const HttpHeaders& headers);

// A piece of a body that is sent in chunks. The text is not empty: an empty chunk ends a body.
std::string chunk_of(std::string_view text);

}  // namespace gpt2run
