// First bytes and names of files that are not what a loader expects.
#include "foreign.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "first_bytes.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"

namespace gpt2run::loaders {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBeginning = 1024;  // bytes that are looked at

constexpr const char* kTensorflow =
    "a file of TensorFlow: convert it, in Python GPT2LMHeadModel.from_pretrained(FOLDER, from_tf=True)"
    ".save_pretrained(NEW)";
constexpr const char* kFlax =
    "a file of Flax: convert it, in Python GPT2LMHeadModel.from_pretrained(FOLDER, from_flax=True)"
    ".save_pretrained(NEW)";
constexpr const char* kOnnx =
    "an ONNX file, a program without named weights: take the safetensors or pytorch_model.bin that it was made from";
constexpr const char* kAdapter =
    "an adapter (LoRA), not a model: merge it into its model first, in Python with merge_and_unload() of peft";

// What a file is by its name alone; empty where the name says nothing.
std::string by_name(const fs::path& file) {
  const std::string name = file.filename().string();
  if (name == "adapter_config.json" || name == "adapter_model.safetensors" || name == "adapter_model.bin")
    return kAdapter;
  const fs::path extension = file.extension();
  return extension == ".h5" ? kTensorflow : extension == ".msgpack" ? kFlax : extension == ".onnx" ? kOnnx : "";
}

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

// A zip file of torch.save() begins with the record of its pickle. The length of a record's name is at byte 26.
std::string zip_file(std::string_view text) {
  uint16_t length = 0;
  if (text.size() >= 30) std::memcpy(&length, text.data() + 26, sizeof length);
  const std::string_view name = text.substr(std::min<size_t>(30, text.size()), length);
  if (name.ends_with("data.pkl") || name.ends_with(".format_version"))
    return "a file of PyTorch (torch.save): name it *.pt or pytorch_model.bin";
  if (name.ends_with(".npy")) return "an archive of NumPy (npz): save it as safetensors";
  return "a zip archive: unpack it first";
}

// A message of ONNX: the version of the format, then the name of the program that wrote it.
bool begins_as_onnx(std::string_view text) {
  return text.size() > 3 && text[0] == 0x08 && text[1] >= 3 && text[1] < 32 && text[2] == 0x12;
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
  if (text.starts_with("\x89HDF\r\n"sv)) return kTensorflow;
  if (begins_as_onnx(text)) return kOnnx;
  if (text.starts_with("\x1f\x8b"sv)) return "a gzip file: unpack it first";
  if (text.size() > 262 && text.substr(257, 5) == "ustar"sv)
    return "a tar archive, as PyTorch 0.1 wrote: unpack it, or save it again with a newer PyTorch";
  if (text.starts_with("PK\x03\x04"sv)) return zip_file(text);
  if (text.starts_with("\x80\x02\x8a\x0a"sv))
    return "a file of PyTorch (torch.save): name it *.pt or pytorch_model.bin";
  if (is_safetensors(text, bytes.size())) return "a safetensors file: name it *.safetensors";
  return "";
}

std::string foreign_file(const fs::path& file) {
  if (!is_file(file)) return "";
  const std::string name = by_name(file);
  return name.empty() ? foreign_format(first_bytes(file.string(), kBeginning)) : name;
}

std::string foreign_in(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files = entries_of(folder, error);
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files)
    if (const std::string what = by_name(file); !what.empty())
      return printable(file.filename().string(), 60) + ", " + what;
  return "";
}

}  // namespace gpt2run::loaders
