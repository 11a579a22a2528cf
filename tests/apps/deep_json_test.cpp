// JSON of any depth in every kind of file that is read: one line that names the file, never an overflow of the stack.
#include <gmock/gmock.h>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::IsRefusal;

struct Kind {
  const char *name, *file, *command;
  const char *before, *behind;     // the text around what is deep
  const char* folder = "true";     // lays out what the command needs beside the file
  bool has_header_length = false;  // safetensors
};

constexpr char kDemo[] = "cp " SOURCE_DIR "/models/demo/* .";
constexpr char kShards[] = "cp " SOURCE_DIR "/tests/golden/models/bf16-sharded/* .";
constexpr char kReference[] =
    "mkdir ref test; gpt2run -q --model synthetic:L=2,C=48,H=3,F=100,V=301,T=64 --tokens 1 -n 2 --sink logits:dir=ref "
    "--precision cpu-fp32 --sampler argmax";

constexpr Kind kKinds[] = {
    {"Vocabulary", "vocab.json", "gpt2tokenize --tokenizer . encode a", "{\"a\": ", "}", kDemo},
    {"AddedTokens", "added_tokens.json", "gpt2tokenize --tokenizer . encode a", "{\"a\": ", "}", kDemo},
    {"TokenizerConfig", "tokenizer_config.json", "gpt2tokenize --tokenizer . encode a", "{\"a\": ", "}", kDemo},
    {"ModelConfig", "config.json", "gpt2run -q -m .", "{\"quantization_config\": ", "}", kDemo},
    {"Index", "model.safetensors.index.json", "gpt2run -q -m .", "{\"weight_map\": {\"a\": ", "}}", kShards},
    {"Header", "model.safetensors", "gpt2run -q -m .", "{\"a\": ", "}", kDemo, true},
    {"Manifest", "run.json", "gpt2run -q --config run.json", "{\"options\": {\"a\": ", "}}"},
    {"Prompts", "p.jsonl", "gpt2run -q --prompts p.jsonl", "{\"prompt\": ", "}"},
    {"PromptIds", "p.jsonl", "gpt2run -q --prompts p.jsonl", "{\"prompt\": \"a\", \"id\": ", "}"},
    {"Generation", "test/generation_X_0.json", "gpt2compare -q --ref-folder ref --test-folder test",
     "[{\"token\": ", "}]", kReference},
};

class DeepJson : public Shell, public testing::WithParamInterface<Kind> {};

TEST_P(DeepJson, IsRefusedInOneLine) {
  const Kind& kind = GetParam();
  const std::string program = std::string(kind.command).substr(0, std::string(kind.command).find(' '));
  ASSERT_EQ(run(kind.folder).code, 0);
  for (const size_t levels : {size_t{70'000}, size_t{1'000'000}})
    for (const auto& [open, close] : {std::pair("[", "]"), std::pair("{\"a\":", "}")}) {
      std::string text = kind.before;
      for (size_t i = 0; i < levels; ++i) text += open;
      text += *open == '{' ? "1" : "";
      for (size_t i = 0; i < levels; ++i) text += close;
      text += kind.behind;
      const uint64_t length = text.size();
      if (kind.has_header_length) text.insert(0, reinterpret_cast<const char*>(&length), sizeof length);
      write(kind.file, text);
      const Outcome done = run(kind.command);
      EXPECT_THAT(done, IsRefusal(1, program, kind.file, "1000")) << levels << open;
    }
}

INSTANTIATE_TEST_SUITE_P(, DeepJson, testing::ValuesIn(kKinds), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace gpt2run
