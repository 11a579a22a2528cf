// The tokenizer that a model's folder has: which files count, and what is said where it cannot be used.
#include <gmock/gmock.h>

#include "shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::HasMessage;
using test::IsRefusal;

constexpr char kModelRun[] = "gpt2run -m m --precision cpu-fp32 --sampler argmax -n 2 --sink tokens ";
constexpr char kJson[] = R"({"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "ByteLevel",
  "add_prefix_space": false}, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})";

// A pickle of {"itos": ["a", "b", "\u4f60"]}, as nanoGPT's meta.pkl has it.
const std::string kCharacters = std::string(
    "\x80\x04}\x8c\x04itos](\x8c\x01"
    "a\x8c\x01"
    "b\x8c\x03\u4f60es.");

class ModelTokenizer : public Shell {
 protected:
  void SetUp() override {
    ASSERT_EQ(run("cp -r " SOURCE_DIR "/tests/golden/models/plain m && chmod -R u+w m").code, 0);
    by_ids_ = run(std::string(kModelRun) + "-q --tokens 2").out;
    ASSERT_NE(by_ids_, "");
  }

  void expect_used(const std::string& text) {
    const Outcome done = run(kModelRun + ("-q --prompt '" + text + "'"));
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.out, by_ids_);
  }

  // Ids are taken, with a warning that says why no text is; a text is refused.
  template <class... Word>
  void expect_unread(const Word&... words) {
    const Outcome done = run(std::string(kModelRun) + "-q --tokens 2");
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.out, by_ids_);
    EXPECT_THAT(done.err, HasMessage("gpt2run: warning", words...));
    const Outcome refused = run(std::string(kModelRun) + "-q --prompt ab");
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.err, HasMessage("gpt2run: error", "--prompt", "--tokenizer"));
  }

  std::string by_ids_;  // what the model says after the token 2
};

TEST_F(ModelTokenizer, EveryKindOfFileCounts) {
  write("m/tokenizer.json", kJson);
  expect_used("ab");
  run("rm m/tokenizer.json");
  write("m/encoder.json", R"({"a": 0, "b": 1, "ab": 2})");
  write("m/vocab.bpe", "#version: 0.2\na b\n");
  expect_used("ab");
  run("rm m/encoder.json m/vocab.bpe");
  write("m/vocab.txt", "[UNK]\na\n\u4f60\n");
  expect_used("\u4f60");
  run("rm m/vocab.txt");
  write("m/meta.pkl", kCharacters);
  expect_used("\u4f60");
}

// nanoGPT's checkpoint with its table beside it, as a folder and as a file.
TEST_F(ModelTokenizer, ACheckpointTakesTheTableOfCharactersBesideIt) {
  run("mkdir c && cp " SOURCE_DIR "/tests/golden/torch/nanogpt.pt c/ckpt.pt");
  write("c/meta.pkl", kCharacters);
  for (const std::string model : {"c", "c/ckpt.pt"}) {
    const std::string tell = "gpt2run -q --precision cpu-fp32 --sampler argmax -n 2 --sink tokens --echo -m " + model;
    const Outcome by_ids = run(tell + " --tokens 1,0,2");
    EXPECT_EQ(by_ids.code, 0) << by_ids.err;
    EXPECT_EQ(by_ids.out.substr(0, 6), "1 0 2 ");
    EXPECT_EQ(run(tell + " --prompt 'ba\u4f60'").out, by_ids.out);
  }
}

// Only Hugging Face's layout has a place for a table of characters; the weights are written all the same.
TEST_F(ModelTokenizer, CharactersAreConvertedWhereTheyHaveAPlace) {
  write("m/meta.pkl", kCharacters);
  EXPECT_EQ(run("gpt2convert -m m -o hf -q").code, 0);
  EXPECT_EQ(read_text(folder() / "hf/meta.pkl"), kCharacters);
  const Outcome done = run("gpt2convert -m m --to gguf -o m.gguf");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasMessage("gpt2convert: warning", "GGUF", "characters"));
  EXPECT_THAT(run("gpt2convert -m m --tokenizer m/meta.pkl --to gguf -o n.gguf"), IsRefusal(1, "m/meta.pkl", "GGUF"));
  EXPECT_THAT(run(std::string(kModelRun) + "-q --prompt 'a?'"), IsRefusal(1, "--prompt", "\"?\"", "byte 2"));
  write("p.jsonl", "{\"text\": \"a\"}\n{\"text\": \"ab?\"}\n");
  EXPECT_THAT(run(std::string(kModelRun) + "-q --prompts p.jsonl"), IsRefusal(1, "p.jsonl:2", "\"?\"", "byte 3"));
  write("t.txt", "ab?");
  EXPECT_THAT(run("gpt2perplexity -q -m m --precision cpu-fp32 --text t.txt"),
              IsRefusal(1, "t.txt", "\"?\"", "byte 3"));
  run("mkdir j");
  write("j/tokenizer.json",
        R"({"version": "1.0", "added_tokens": [{"id": 3, "content": "<|endoftext|>", "special": true,
    "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}], "pre_tokenizer": {"type": "ByteLevel",
    "add_prefix_space": false}, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
  EXPECT_THAT(run("gpt2tokenize pack --tokenizer j --t 8 --in t.txt --out t.bin"), IsRefusal(1, "t.txt:1", "63"));
}

TEST_F(ModelTokenizer, WhatCannotBeReadIsNamed) {
  run("ln -s ../../blobs/0 m/tokenizer.json");
  expect_unread("m/tokenizer.json", "link", "\"../../blobs/0\"");
  run("rm m/tokenizer.json");
  write("m/tokenizer.json", "");
  expect_unread("m/tokenizer.json", "empty file");
  write("m/tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  expect_unread("m/tokenizer.json", "Git LFS pointer");
  write("m/tokenizer.json", R"({"model": {"type": "Unigram", "vocab": []}})");
  expect_unread("m/tokenizer.json", "\"Unigram\"");
  write("m/tokenizer.json", "{");
  EXPECT_THAT(run(std::string(kModelRun) + "-q --tokens 2"), IsRefusal(1, "m/tokenizer.json", "JSON"));
}

TEST_F(ModelTokenizer, WhatIsThereInsteadIsNamed) {
  EXPECT_THAT(run(std::string(kModelRun) + "--tokens 2").err, HasMessage("the model has no tokenizer: token ids only"));
  write("m/spiece.model", "");
  EXPECT_THAT(run(std::string(kModelRun) + "--tokens 2").err,
              HasMessage("no tokenizer", "spiece.model", "SentencePiece"));
  run("rm m/spiece.model");
  write("m/vocab.json", "{}");
  EXPECT_THAT(run(std::string(kModelRun) + "--tokens 2").err, HasMessage("no tokenizer", "vocab.json", "merges.txt"));
}

// Whoever adds a token to a tokenizer often leaves the model as it is. transformers opens both, and so do the layouts
// that gpt2convert writes.
TEST_F(ModelTokenizer, AddedTokensBeyondTheModelAreAWarning) {
  const std::string demo = SOURCE_DIR "/models/demo", tell = "gpt2run -q -p 'Once upon' -n 4 --sampler argmax -m ";
  ASSERT_EQ(run("cp -r " + demo + " d && chmod -R u+w d").code, 0);
  write("d/added_tokens.json", R"({"[PAD]": 4096, "[X]": 4099})");
  const Outcome done = run(tell + "d"), expected = run(tell + demo);
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.out, expected.out);
  EXPECT_THAT(done.err, HasMessage("gpt2run: warning", "4100", "4096", "\"[X]\""));
  const Outcome refused = run("gpt2run -q -m d -p 'a[PAD]'");
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasMessage("gpt2run: error", "--prompt", "4096"));
  ASSERT_EQ(run("gpt2convert -q -m d -o hf").code, 0);
  EXPECT_EQ(run(tell + "hf").out, expected.out);
  write("d/added_tokens.json", R"({"[PAD]": 4096})");  // without a hole, for which GGUF has no place
  ASSERT_EQ(run("gpt2convert -q -m d --to gguf -o d.gguf").code, 0);
  const Outcome gguf = run(tell + "d.gguf");
  EXPECT_EQ(gguf.out, expected.out);
  EXPECT_EQ(gguf.err, "");
}

TEST_F(ModelTokenizer, OneThatIsNamedIsNeverPassedOver) {
  run("mkdir t && touch t/tokenizer.json");
  EXPECT_THAT(run(std::string(kModelRun) + "-q --tokens 2 --tokenizer t"),
              IsRefusal(1, "t/tokenizer.json", "empty file"));
}

}  // namespace
}  // namespace gpt2run
