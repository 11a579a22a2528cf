#include "token_files.hpp"

#include "gpt2run/files/input_file.hpp"
#include "gpt2run/files/wide_text.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void refuse(const fs::path& path, const std::string& why) {
  throw UnreadTokenizer(path.string() + ": " + why);
}

}  // namespace

std::string read_token_file(const fs::path& path) {
  if (is_there(path) && !fs::exists(status_of(path))) {
    std::error_code error;
    const std::string target = fs::read_symlink(path, error).string();
    refuse(path, "expected a file, found a link to " + in_quotes(target) + ", which is not there");
  }
  std::string bytes = read_file(path);
  if (bytes.starts_with("version https://git-lfs"))
    refuse(path, "expected the file, found a Git LFS pointer to it: fetch it with git lfs pull");
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first != bytes.npos && (bytes.compare(first, 9, "<!doctype") == 0 || bytes.compare(first, 9, "<!DOCTYPE") == 0 ||
                              bytes.compare(first, 5, "<html") == 0))
    refuse(path, "expected the file, found a web page: download the file itself");
  return bytes;
}

std::string read_token_text(const fs::path& path) {
  std::string text = read_token_file(path);
  if (const char* encoding = wide_encoding(text))
    fail(path.string(), ": expected UTF-8, found ", wide_text_found(encoding));
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

json::Document read_token_json(const fs::path& path) {
  const std::string bytes = read_token_file(path);
  if (bytes.empty()) refuse(path, "expected JSON from byte 1 on, found an empty file");
  json::Document document = json::parse(bytes, path.string());
  document.root().object();
  return document;
}

}  // namespace gpt2run
