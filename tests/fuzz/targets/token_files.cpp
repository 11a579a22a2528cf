// The files of added and special tokens beside a fixed vocabulary.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kTokenFiles("token_files", [](std::string_view bytes) {
  static Files files({"added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"});
  static const bool is_ready = [] {
    std::filesystem::create_directories(files.path());
    std::ofstream(files.path("vocab.json")) << R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3})";
    std::ofstream(files.path("merges.txt")) << "a b\n";
    return true;
  }();
  require(is_ready, "the vocabulary is written");
  const std::vector<std::string> parts = parts_of(bytes, 3);
  files.write("added_tokens.json", parts[0].empty() ? "{}" : parts[0]);
  files.write("special_tokens_map.json", parts[1].empty() ? "{}" : parts[1]);
  files.write("tokenizer_config.json", parts[2].empty() ? "{}" : parts[2]);
  use_tokenizer(files.path());
});

}  // namespace
}  // namespace gpt2run::fuzz
