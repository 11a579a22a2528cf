// gpt2convert as a user types it: what it refuses, by name, and that a refusal leaves nothing behind.
#include <gmock/gmock.h>

#include "shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::HasMessage;
using test::IsRefusal;
using testing::HasSubstr;

constexpr char kSmall[] = "synthetic:L=1,C=12,H=2,V=31,T=5";
const std::string kDemo = SOURCE_DIR "/models/demo";

class Convert : public Shell {
 protected:
  template <class... Word>
  void expect_refused(int code, const std::string& arguments, const Word&... words) {
    const size_t before = entries();
    EXPECT_THAT(run("gpt2convert -q " + arguments), IsRefusal(code, "gpt2convert", words...)) << arguments;
    EXPECT_EQ(entries(), before) << arguments;
  }
};

TEST_F(Convert, SaysWhatItWrote) {
  const Outcome done = run("gpt2convert -m " + kDemo + " --to llmc -o new/demo.bin");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "");
  EXPECT_THAT(done.err, HasMessage("gpt2convert", "new/gpt2_tokenizer.bin", "25.0 kB"));
  EXPECT_THAT(done.err, HasMessage("gpt2convert", "new/demo.bin", "14.6 MB"));
  EXPECT_EQ(entries(), 3u);
}

// The text that the demo model's own folder gives.
TEST_F(Convert, AllLayoutsTellTheSameTale) {
  const std::string tale = " -q -p 'Once upon a time' -n 12 --sampler argmax";
  const Outcome expected = run("gpt2run -m " + kDemo + tale);
  ASSERT_EQ(expected.code, 0) << expected.err;
  ASSERT_EQ(run("gpt2convert -m " + kDemo + " --to llmc -o llmc/demo.bin").code, 0);
  ASSERT_EQ(run("gpt2convert -m llmc/demo.bin -o hf").code, 0);
  ASSERT_EQ(run("gpt2convert -m " + kDemo + " --to gguf -o demo.gguf").code, 0);
  EXPECT_EQ(run("gpt2run -m llmc/demo.bin" + tale).out, expected.out);
  EXPECT_EQ(run("gpt2run -m demo.gguf" + tale).out, expected.out);
  EXPECT_EQ(run("gpt2run -m hf" + tale).out, expected.out);
}

TEST_F(Convert, WithoutATokenizerItSaysSo) {
  const Outcome done = run(std::string("gpt2convert -o hf -m ") + kSmall);
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.err, HasMessage("gpt2convert", "tokenizer"));
  EXPECT_EQ(entries(), 3u);
}

TEST_F(Convert, TokenizerOfAnotherPlace) {
  const Outcome done =
      run("gpt2convert -q -m synthetic:L=1,C=12,H=2,V=4096,T=5 --to llmc -o a/m.bin --tokenizer " + kDemo);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(run("gpt2tokenize --tokenizer a/gpt2_tokenizer.bin encode 'Once upon a time'").out,
            run("gpt2tokenize encode 'Once upon a time'").out);
  expect_refused(1, std::string("-o hf --tokenizer ") + kDemo + " -m " + kSmall, "31", "4096");
}

TEST_F(Convert, WhatLlmcCannotSayIsNamed) {
  const auto refused = [&](const std::string& model, const auto&... words) {
    expect_refused(1, "--to llmc -o new/m.bin -m " + model, "new/m.bin", words...);
  };
  const std::string small = kSmall;
  refused(small + ",tied=0", "head");
  refused(small + ",F=47", "MLP", "48", "47");
  refused(small + ",epsilon=1e-6", "epsilon", "1e-05", "1e-06");
  refused(small + ",end_of_text=-1", "end of text", "30", "-1");
  refused(small + " --type fp16", "fp32", "bf16", "fp16", "--type");
}

TEST_F(Convert, WhatGgufCannotSayIsNamed) {
  const std::string small = kSmall;
  expect_refused(1, "--to gguf --type q8_0 -o new/m.gguf -m " + small, "wte", "q8_0", "32", "12");
  expect_refused(2, "--to gguf -o . -m " + small, "--out", "gguf", "\".\"");
  for (const char* layout : {"llmc", "huggingface"})
    expect_refused(2, std::string("--type q8_0 -o new --to ") + layout + " -m " + small, "--type", layout, "q8_0");
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
  expect_refused(1, "-m hf --to llmc -o m.bin", "fp32 in lnf_b", "bf16 in wte", "--type");
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
  expect_refused(1, "-m hf -o half --type fp16", "weight wte", "fp16", "65504", "1.32923e+36");
  EXPECT_EQ(run("gpt2convert -q -m hf -o half --type bf16").code, 0);
}

TEST_F(Convert, FilesAreReplacedOnlyWhenForced) {
  const std::string convert = std::string("gpt2convert -q --to llmc -o m.bin -m ") + kSmall;
  ASSERT_EQ(run(convert).code, 0);
  expect_refused(1, std::string("--to llmc -o m.bin -m ") + kSmall + ",seed=2", "m.bin", "--force");
  const std::string old = read_text(folder() / "m.bin");
  EXPECT_EQ(run(convert + ",seed=2 --force").code, 0);
  EXPECT_NE(read_text(folder() / "m.bin"), old);
}

TEST_F(Convert, InputIsNeverReplaced) {
  ASSERT_EQ(run("gpt2convert -q --to llmc -o a/m.bin -m " + kDemo).code, 0);
  ASSERT_EQ(run("gpt2convert -q -o hf -m a/m.bin && ln -s hf link && ln hf/model.safetensors hard.bin").code, 0);
  expect_refused(1, "--to llmc -o a/m.bin --type bf16 --force -m a/m.bin", "a/m.bin");
  expect_refused(1, "-o hf --type bf16 --force -m hf", "hf");
  expect_refused(1, "-o link --type bf16 --force -m hf/model.safetensors", "link");
  expect_refused(1, "--to llmc -o hard.bin --force -m hf", "hard.bin");
  expect_refused(1, "-o b/../hf --type bf16 -m hf", "b/../hf/config.json", "No such file or directory");
}

// A tokenizer of another model would be taken for this one's.
TEST_F(Convert, NoForeignTokenizerBeside) {
  write("gpt2_tokenizer.bin", "of another model");
  expect_refused(1, std::string("--to llmc -o m.bin --force -m ") + kSmall, "gpt2_tokenizer.bin");
  ASSERT_EQ(run("mkdir hf && echo '{}' >hf/added_tokens.json").code, 0);
  expect_refused(1, "-o hf --force -m " + kDemo, "hf/added_tokens.json");
}

TEST_F(Convert, WrongCommandLines) {
  const std::string model = std::string("-m ") + kSmall;
  expect_refused(2, "", "--model");
  expect_refused(2, model, "--out");
  expect_refused(2, model + " -o - --to llmc", "--out", "\"-\"");
  expect_refused(2, model + " -o a --to onnx", "--to", "huggingface|llmc", "\"onnx\"");
  expect_refused(2, model + " -o a --type int8", "--type", "keep|fp32|bf16|fp16", "\"int8\"");
  expect_refused(2, model + " -o a --tpye fp16", "--tpye", "--type");
  expect_refused(2, model + " -o . --to llmc", "--out", "llmc", "folder");
  expect_refused(1, "-m missing -o a", "model missing");
  expect_refused(1, "-m /dev/null -o a", "model /dev/null");
  write("file", "");
  expect_refused(1, model + " -o file", "file");
}

TEST_F(Convert, AFullDiskLeavesNothing) {
  const size_t before = entries();
  const Outcome done = run("ulimit -f 100; gpt2convert -q -o new/hf -m " + kDemo);
  EXPECT_THAT(done, IsRefusal(1, "gpt2convert", "new/hf/model.safetensors", "File too large"));
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
