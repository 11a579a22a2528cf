// Recognises what is not UTF-8 by its first bytes.
#include "common/config/text_file.hpp"

#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/files/wide_text.hpp"

namespace gpt2run {

std::string as_utf8(std::string text, const std::string& name) {
  if (const char* encoding = wide_encoding(text)) fail(name, ": expected UTF-8, found ", wide_text_found(encoding));
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

std::string read_text(const std::string& path, const std::string& before) {
  return as_utf8(read_file(path, before), before + path);
}

}  // namespace gpt2run
