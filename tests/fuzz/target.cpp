#include "fuzz/target.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/json_text.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run::fuzz {
namespace {

std::vector<Target>& all_targets() {
  static std::vector<Target> all;
  return all;
}

// Reads the first elements and the last one of a weight.
void read_weight(const Tensor& t, const Shape& shape) {
  constexpr int64_t kMost = 4096;
  require(t.rows == shape.rows && t.cols == shape.cols, "a weight has the shape that the configuration says");
  if (t.rows == 0 || t.cols == 0) return;
  for (int64_t i = 0; i < t.rows * t.cols && i < kMost; ++i) at(t, i / t.cols, i % t.cols);
  at(t, t.rows - 1, t.cols - 1);
}

}  // namespace

const std::vector<Target>& targets() { return all_targets(); }

Registration::Registration(const char* name, void (*run)(std::string_view bytes)) {
  all_targets().push_back({name, run});
}

void require(bool condition, const char* promise) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: a promise is broken: %s\n", promise);
  std::abort();
}

void run(const Target& target, std::string_view bytes) {
  try {
    target.run(bytes);
  } catch (const Error& error) {
    const std::string line = error.what();
    if (line.empty() || printable(line) != line)
      std::fprintf(stderr, "fuzz: the message is %s\n", json_quoted(line).c_str());
    require(!line.empty() && printable(line) == line, "the message of an Error is one printable line");
  }
}

std::vector<std::string> parts_of(std::string_view bytes, size_t count) {
  constexpr std::string_view kBetween = "\n%%%%\n";
  std::vector<std::string> parts;
  while (parts.size() + 1 < count) {
    const size_t end = bytes.find(kBetween);
    parts.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + kBetween.size());
  }
  parts.emplace_back(bytes);
  return parts;
}

Files::Files(const std::vector<std::string>& changing) {
  for (const std::string& name : changing) {
    const auto& file = changing_.emplace_back(name, std::make_unique<test::MemoryFile>()).second;
    std::filesystem::create_symlink(file->path(), folder_.path() / name);
  }
}

void Files::write(const std::string& name, std::string_view bytes) {
  for (const auto& [known, file] : changing_)
    if (known == name) file->write(std::string(bytes));
}

void Files::copy(const std::string& name, const std::string& from) const {
  std::filesystem::copy_file(given_file(from), folder_.path() / name);
}

std::string given_file(const std::string& name) {
  const std::filesystem::path in_tree = std::filesystem::path(SOURCE_DIR) / name;
  if (std::filesystem::exists(in_tree)) return in_tree;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "files" / name;
}

void open_model(Loader& loader, const std::string& path) {
  loader.probe(path.c_str());
  const std::unique_ptr<Checkpoint> checkpoint = loader.open(path.c_str());
  const ModelConfig& m = checkpoint->config();
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) {
      read_weight(checkpoint->tensor(weight, layer), shape_of(weight, m));
      checkpoint->release(weight, layer);
    }
  }
  if (checkpoint->tokenizer()) use_tokenizer(checkpoint->tokenizer());
}

void use_tokenizer(const std::string& path) {
  const auto tokenizer = Tokenizer::open(path);
  const std::vector<int32_t> ids = tokenizer->encode("ab the there \u4f60\xff <|endoftext|> [CLS] don't 12  x\n");
  for (const int32_t id : ids) require(id >= 0 && id < tokenizer->size(), "a text's ids are ids of the tokenizer");
  tokenizer->decode(ids);
  for (int32_t id = 0; id < std::min(tokenizer->size(), 300); ++id) tokenizer->piece(id);
  tokenizer->warnings();
}

}  // namespace gpt2run::fuzz
