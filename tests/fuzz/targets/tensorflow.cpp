// The loader `tensorflow`: the index of a checkpoint. Its blocks have sums, which no fuzzer guesses, so those of the
// blocks that can be found are made right first.
#include <cstring>

#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

// CRC-32C as the format stores it, bit by bit.
uint32_t masked_sum(std::string_view bytes) {
  uint32_t sum = ~0u;
  for (const char byte : bytes) {
    sum ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1) * 0x82f63b78u;
  }
  sum = ~sum;
  return (sum >> 15 | sum << 17) + 0xa282ead8u;
}

// Takes a number of seven bits a byte off the front; what is cut short ends with the text.
uint64_t varint(std::string_view& text) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !text.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(text.front());
    text.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) break;
  }
  return value;
}

// Renews the sum of the block that a handle names, and returns the block.
std::string_view renewed(std::string& file, std::string_view handle) {
  const uint64_t offset = varint(handle), size = varint(handle);
  if (file.size() < 5 || size > file.size() - 5 || offset > file.size() - 5 - size) return {};
  const std::string_view block = std::string_view(file).substr(offset, size);
  const uint32_t sum = masked_sum(std::string_view(file).substr(offset, size + 1));
  std::memcpy(file.data() + offset + size + 1, &sum, sizeof sum);
  return block;
}

std::string with_sums(std::string file) {
  constexpr size_t kFooter = 48, kMostBlocks = 64;
  if (file.size() < kFooter) return file;
  std::string_view footer = std::string_view(file).substr(file.size() - kFooter);
  varint(footer), varint(footer);
  std::string index(renewed(file, footer));
  std::string_view rest = index;
  for (size_t block = 0; block < kMostBlocks && rest.size() > 8; ++block) {
    varint(rest);
    const uint64_t key = varint(rest), bytes = varint(rest);
    if (key > rest.size() || bytes > rest.size() - key) break;
    renewed(file, rest.substr(key, bytes));
    rest.remove_prefix(key + bytes);
  }
  return file;
}

const Registration kTensorflow("tensorflow", [](std::string_view bytes) {
  static Files files({"model.ckpt.index"});
  static const auto opened = [] {
    for (const char* name : {"hparams.json", "checkpoint", "model.ckpt.data-00000-of-00001"})
      files.copy(name, std::string("tests/golden/tensorflow/") + name);
    return loader("tensorflow");
  }();
  files.write("model.ckpt.index", with_sums(std::string(bytes)));
  open_model(*opened, files.path());
});

}  // namespace
}  // namespace gpt2run::fuzz
