// Byte order marks, and the zero bytes of wide characters that have none.
#include "common/config/text_file.hpp"

#include <string_view>

#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"

namespace gpt2run {
namespace {

using namespace std::string_view_literals;

// The encoding that a text begins in, as iconv names it; null for UTF-8 and for what cannot be told.
const char* wide_encoding(std::string_view text) {
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

}  // namespace

std::string as_utf8(std::string text, const std::string& name) {
  if (const char* encoding = wide_encoding(text))
    fail(name, ": expected UTF-8, found ", std::string_view(encoding).substr(0, 6), " text; iconv -f ", encoding,
         " -t UTF-8 converts it");
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

std::string read_text(const std::string& path, const std::string& before) {
  return as_utf8(read_file(path, before), before + path);
}

}  // namespace gpt2run
