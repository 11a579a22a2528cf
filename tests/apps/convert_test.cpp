// gpt2convert as a user types it: what it refuses, by name, and that a refusal leaves nothing behind.
#include <gmock/gmock.h>

#include "shell.hpp"

namespace gpt2run {
namespace {

using testing::HasSubstr;

constexpr char kSmall[] = "synthetic:L=1,C=12,H=2,V=31,T=5";
const std::string kDemo = SOURCE_DIR "/models/demo";

class Convert : public Shell {
 protected:
  void expect_refused(const std::string& arguments, const std::string& expected, int code = 1) {
    const size_t before = entries();
    const Outcome done = run("gpt2convert -q " + arguments);
    EXPECT_EQ(done.code, code) << arguments;
    EXPECT_EQ(done.out, "");
    EXPECT_THAT(done.err, HasSubstr(expected));
    EXPECT_THAT(done.err, testing::MatchesRegex("gpt2convert: error: [^\n]*\n"));
    EXPECT_EQ(entries(), before) << arguments;
  }
};

TEST_F(Convert, SaysWhatItWrote) {
  const Outcome done = run("gpt2convert -m " + kDemo + " --to llmc -o new/demo.bin");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "");
  EXPECT_THAT(done.err, HasSubstr("wrote new/gpt2_tokenizer.bin, 25.0 kB\n"));
  EXPECT_THAT(done.err, HasSubstr("gpt2convert: wrote new/demo.bin, 14.6 MB\n"));
  EXPECT_EQ(entries(), 3u);
}

// The text that the demo model's own folder gives.
TEST_F(Convert, BothLayoutsTellTheSameTale) {
  const std::string tale = " -q -p 'Once upon a time' -n 12 --sampler argmax";
  const Outcome expected = run("gpt2run -m " + kDemo + tale);
  ASSERT_EQ(expected.code, 0) << expected.err;
  ASSERT_EQ(run("gpt2convert -m " + kDemo + " --to llmc -o llmc/demo.bin").code, 0);
  ASSERT_EQ(run("gpt2convert -m llmc/demo.bin -o hf").code, 0);
  EXPECT_EQ(run("gpt2run -m llmc/demo.bin" + tale).out, expected.out);
  EXPECT_EQ(run("gpt2run -m hf" + tale).out, expected.out);
}

TEST_F(Convert, WithoutATokenizerItSaysSo) {
  const Outcome done = run(std::string("gpt2convert -o hf -m ") + kSmall);
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.err, HasSubstr("the model has no tokenizer: none is written\n"));
  EXPECT_EQ(entries(), 3u);
}

TEST_F(Convert, TokenizerOfAnotherPlace) {
  const Outcome done =
      run("gpt2convert -q -m synthetic:L=1,C=12,H=2,V=4096,T=5 --to llmc -o a/m.bin --tokenizer " + kDemo);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(run("gpt2tokenize --tokenizer a/gpt2_tokenizer.bin encode 'Once upon a time'").out,
            run("gpt2tokenize encode 'Once upon a time'").out);
  expect_refused(std::string("-o hf --tokenizer ") + kDemo + " -m " + kSmall,
                 "expected at most 31 tokens, the model's vocabulary, found 4096");
}

TEST_F(Convert, WhatLlmcCannotSayIsNamed) {
  const auto refused = [&](const std::string& model, const std::string& expected) {
    expect_refused("--to llmc -o new/m.bin -m " + model, "new/m.bin: llm.c's checkpoint: " + expected);
  };
  const std::string small = kSmall;
  refused(small + ",tied=0", "output head: expected the token embedding, found one of its own");
  refused(small + ",F=47", "width of the MLP: expected 48, found 47");
  refused(small + ",epsilon=1e-6", "epsilon of the layernorms: expected 1e-05, found 1e-06");
  refused(small + ",end_of_text=-1", "end of text: expected 30, found -1");
  refused(small + " --type fp16", "expected fp32 or bf16, found fp16; --type chooses one");
}

TEST_F(Convert, AMixedModelNeedsAType) {
  ASSERT_EQ(run(std::string("gpt2convert -q -o hf --type bf16 -m ") + kSmall).code, 0);
  // ln_f.bias: 12 values, the last ones of the file, become FP32.
  ASSERT_EQ(run(R"(python3 - <<'E'
import json
bytes = open('hf/model.safetensors', 'rb').read()
size = int.from_bytes(bytes[:8], 'little')
header = json.loads(bytes[8:8 + size])
bias = header['transformer.ln_f.bias']
bias['dtype'], bias['data_offsets'][1] = 'F32', bias['data_offsets'][1] + 24
text = json.dumps(header).encode()
open('hf/model.safetensors', 'wb').write(len(text).to_bytes(8, 'little') + text + bytes[8 + size:] + 24 * b'\0')
E)")
                .code,
            0);
  expect_refused("-m hf --to llmc -o m.bin", "expected one type, found fp32 in lnf_b and bf16 in wte; --type chooses");
  EXPECT_EQ(run("gpt2convert -q -m hf --to llmc -o m.bin --type bf16").code, 0);
}

TEST_F(Convert, AValueBeyondTheTypeIsAnError) {
  ASSERT_EQ(run(std::string("gpt2convert -q -o hf -m ") + kSmall).code, 0);
  // The first value of wte becomes 2^120.
  ASSERT_EQ(run(R"(python3 - <<'E'
bytes = bytearray(open('hf/model.safetensors', 'rb').read())
at = 8 + int.from_bytes(bytes[:8], 'little')
bytes[at:at + 4] = b'\0\0\x80\x7b'
open('hf/model.safetensors', 'wb').write(bytes)
E)")
                .code,
            0);
  expect_refused("-m hf -o half --type fp16",
                 "weight wte: expected values that fp16 holds, up to 65504, found 1.32923e+36");
  EXPECT_EQ(run("gpt2convert -q -m hf -o half --type bf16").code, 0);
}

TEST_F(Convert, FilesAreReplacedOnlyWhenForced) {
  const std::string convert = std::string("gpt2convert -q --to llmc -o m.bin -m ") + kSmall;
  ASSERT_EQ(run(convert).code, 0);
  expect_refused(std::string("--to llmc -o m.bin -m ") + kSmall + ",seed=2",
                 "m.bin: is there already; --force replaces");
  const std::string old = read_text(folder() / "m.bin");
  EXPECT_EQ(run(convert + ",seed=2 --force").code, 0);
  EXPECT_NE(read_text(folder() / "m.bin"), old);
}

TEST_F(Convert, InputIsNeverReplaced) {
  ASSERT_EQ(run("gpt2convert -q --to llmc -o a/m.bin -m " + kDemo).code, 0);
  ASSERT_EQ(run("gpt2convert -q -o hf -m a/m.bin && ln -s hf link && ln hf/model.safetensors hard.bin").code, 0);
  const std::string expected = "expected another file than those that are read";
  expect_refused("--to llmc -o a/m.bin --type bf16 --force -m a/m.bin", expected);
  expect_refused("-o hf --type bf16 --force -m hf", expected);
  expect_refused("-o link --type bf16 --force -m hf/model.safetensors", expected);
  expect_refused("--to llmc -o hard.bin --force -m hf", expected);
  expect_refused("-o b/../hf --type bf16 -m hf", "b/../hf/config.json: cannot be opened for writing: No such file");
}

// A tokenizer of another model would be taken for this one's.
TEST_F(Convert, NoForeignTokenizerBeside) {
  write("gpt2_tokenizer.bin", "of another model");
  expect_refused(std::string("--to llmc -o m.bin --force -m ") + kSmall, "would be read with the model: move it away");
  ASSERT_EQ(run("mkdir hf && echo '{}' >hf/added_tokens.json").code, 0);
  expect_refused("-o hf --force -m " + kDemo,
                 "hf/added_tokens.json: is there already and would be read with the model");
}

TEST_F(Convert, WrongCommandLines) {
  const std::string model = std::string("-m ") + kSmall;
  expect_refused("", "--model: expected a folder, a file or synthetic:", 2);
  expect_refused(model, "--out: expected a path, found none", 2);
  expect_refused(model + " -o - --to llmc", "found \"-\": a model is not written to standard output", 2);
  expect_refused(model + " -o a --to onnx", "--to: expected one of huggingface|llmc, found \"onnx\"", 2);
  expect_refused(model + " -o a --type int8", "--type: expected one of keep|fp32|bf16|fp16", 2);
  expect_refused(model + " -o a --tpye fp16", "the nearest is --type", 2);
  expect_refused(model + " -o . --to llmc", "--out: expected a file for llmc, found a folder", 2);
  expect_refused("-m missing -o a", "no such file or folder");
  expect_refused("-m /dev/null -o a", "no loader knows this format");
  write("file", "");
  expect_refused(model + " -o file", "file");
}

TEST_F(Convert, AFullDiskLeavesNothing) {
  const size_t before = entries();
  const Outcome done = run("ulimit -f 100; gpt2convert -q -o new/hf -m " + kDemo);
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("model.safetensors: cannot write: File too large"));
  EXPECT_EQ(entries(), before);
}

// The signal comes while the weights are half-written.
TEST_F(Convert, ASignalLeavesNothing) {
  const size_t before = entries();
  for (const char* layout : {"--out new", "--to llmc --out new/a.bin"}) {
    const Outcome done =
        run(std::string("env --default-signal=INT gpt2convert -q -m synthetic:L=12,C=512,H=8,V=8000,T=64 ") + layout +
            " & until ls -A new 2>/dev/null | grep -q tmp; do sleep 0.01; done; kill -INT $!; wait $!");
    EXPECT_EQ(done.code, 1);
    EXPECT_THAT(done.err, testing::StartsWith("gpt2convert: error: interrupted while "));
    EXPECT_EQ(entries(), before);
  }
}

TEST_F(Convert, HelpNamesEveryOption) {
  const Outcome help = run("gpt2convert --help");
  EXPECT_EQ(help.code, 0);
  for (const char* option :
       {"--model", "--loader", "--to", "--out", "--type", "--tokenizer", "--force", "--plugin_dir"})
    EXPECT_THAT(help.out, HasSubstr(option));
  EXPECT_THAT(run("gpt2convert --version").out, testing::StartsWith("gpt2convert "));
}

}  // namespace
}  // namespace gpt2run
