// First bytes of files that are not what their name says.
#include "foreign.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::loaders {
namespace {

constexpr size_t kBeginning = 1024;  // bytes that are looked at

bool begins_as_html(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  std::string lower(text.substr(0, 15));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.starts_with("<?xml");
}

std::string git_lfs(std::string_view text) {
  constexpr std::string_view kSize = "\nsize ";
  const size_t at = text.find(kSize);
  std::string size;
  if (at != text.npos) {
    const std::string_view digits = text.substr(at + kSize.size());
    size = digits.substr(0, std::min(digits.find_first_not_of("0123456789"), digits.size()));
  }
  return "a Git LFS pointer, not the file" + (size.empty() ? "" : " of " + printable(size, 20) + " bytes") +
         ": fetch it with git lfs pull";
}

// The length of the header in 8 bytes, then JSON.
bool is_safetensors(std::string_view text, uint64_t file_size) {
  uint64_t header = 0;
  if (text.size() < 10) return false;
  std::memcpy(&header, text.data(), sizeof header);
  return text[8] == '{' && header >= 2 && header <= file_size - 8;
}

}  // namespace

std::string foreign_format(std::span<const char> bytes) {
  using namespace std::string_view_literals;
  const std::string_view text(bytes.data(), std::min(bytes.size(), kBeginning));
  if (text.starts_with("version https://git-lfs"sv)) return git_lfs(text);
  if (begins_as_html(text)) return "a web page: download the file itself";
  if (text.starts_with("GGUF"sv)) return "a GGUF file: name it *.gguf";
  if (text.starts_with("\x89HDF\r\n"sv)) return "an HDF5 file, as TensorFlow's: convert it to safetensors first";
  if (text.starts_with("\x1f\x8b"sv)) return "a gzip file: unpack it first";
  if (text.size() > 262 && text.substr(257, 5) == "ustar"sv)
    return "a tar archive, as PyTorch 0.1 wrote: unpack it, or save it again with a newer PyTorch";
  if (text.starts_with("PK\x03\x04"sv) || text.starts_with("\x80\x02\x8a\x0a"sv))
    return "a file of PyTorch (torch.save): name it *.pt or pytorch_model.bin";
  if (is_safetensors(text, bytes.size())) return "a safetensors file: name it *.safetensors";
  return "";
}

}  // namespace gpt2run::loaders
