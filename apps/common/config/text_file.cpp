// read_file() from gpt2run/files, without a byte order mark.
#include "common/config/text_file.hpp"

#include <string_view>

#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"

namespace gpt2run {

std::string read_text(const std::string& path, const std::string& before) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  std::string content = read_file(path, before);
  if (content.starts_with(kByteOrderMark)) content.erase(0, kByteOrderMark.size());
  if (content.starts_with("\xFF\xFE") || content.starts_with("\xFE\xFF"))
    fail(before, path, ": expected UTF-8, found UTF-16 text; iconv -f UTF-16 -t UTF-8 converts it");
  return content;
}

}  // namespace gpt2run
