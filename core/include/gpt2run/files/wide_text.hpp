// Recognises text in UTF-16 and UTF-32, as editors and shells of Windows write it. Any thread.
#pragma once
#include <string>
#include <string_view>

namespace gpt2run {

// The encoding that a text begins in, as iconv names it, by its byte order mark or by the zero bytes of its first
// characters; null for UTF-8 and for what cannot be told.
inline const char* wide_encoding(std::string_view text) {
  using namespace std::string_view_literals;
  // UTF-32 comes first: in little-endian order its mark begins with that of UTF-16.
  if (text.starts_with("\xFF\xFE\0\0"sv) || text.starts_with("\0\0\xFE\xFF"sv)) return "UTF-32";
  if (text.starts_with("\xFF\xFE"sv) || text.starts_with("\xFE\xFF"sv)) return "UTF-16";
  if (text.size() < 4) return nullptr;
  std::string zeros;
  for (const char c : text.substr(0, 4)) zeros += c == '\0' ? '0' : 'x';
  if (zeros == "x000") return "UTF-32LE";
  if (zeros == "000x") return "UTF-32BE";
  if (zeros == "x0x0") return "UTF-16LE";
  if (zeros == "0x0x") return "UTF-16BE";
  return nullptr;
}

// What stands in messages behind "found": such as "UTF-16 text; iconv -f UTF-16LE -t UTF-8 converts it".
inline std::string wide_text_found(std::string_view encoding) {
  return std::string(encoding.substr(0, 6)) + " text; iconv -f " + std::string(encoding) + " -t UTF-8 converts it";
}

}  // namespace gpt2run
