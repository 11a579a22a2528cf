// gpt2convert as a user types it: what it refuses, by name, and that a refusal leaves nothing behind.
#include <gmock/gmock.h>

#include <cstring>

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
  EXPECT_EQ(entries(), 4u);  // the folder, two files and their sums
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
  EXPECT_EQ(entries(), 4u);
}

// Copies are of every file; a layout that cannot express a tokenizer refuses it by name.
TEST_F(Convert, TokenizersOfEveryKindOfFile) {
  ASSERT_EQ(run("cp -r " SOURCE_DIR "/tests/golden/models/plain m && chmod -R u+w m").code, 0);
  write("m/vocab.txt", "[UNK]\na\nb\n");
  write("m/tokenizer_config.json", R"({"do_lower_case": false})");
  ASSERT_EQ(run("gpt2convert -q -m m -o hf").code, 0);
  EXPECT_EQ(read_text(folder() / "hf/vocab.txt"), "[UNK]\na\nb\n");
  EXPECT_EQ(run("gpt2tokenize --tokenizer hf encode 'a B'").out, "1 0\n");
  expect_refused(1, "-m m --to llmc -o m.bin", "tokenizer", "WordPiece");
  expect_refused(1, "-m m --to gguf -o m.gguf", "tokenizer", "WordPiece");
  run("rm m/vocab.txt && touch m/tokenizer.json");
  EXPECT_THAT(run("gpt2convert -q -m m -o hf").err, HasMessage("gpt2convert: error", "hf/vocab.txt"));
  const Outcome done = run("gpt2convert -q -m m -o without");
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.err, HasMessage("gpt2convert: warning", "m/tokenizer.json", "empty file", "none is written"));
  expect_refused(1, "-m m -o again --tokenizer m", "m/tokenizer.json", "empty file");
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
  expect_refused(2, "--to llmc --type fp16 -o new/m.bin -m " + small, "--type", "llmc", "fp16");
  refused(small + ",activation=gelu_erf", "activation", "gelu_tanh", "gelu_erf");
  refused(small + ",scale_by_layer=1", "attention scores", "layer");
}

TEST_F(Convert, WhatGgufCannotSayIsNamed) {
  const std::string small = kSmall;
  expect_refused(1, "--to gguf --type q8_0 -o new/m.gguf -m " + small, "wte", "q8_0", "32", "12");
  expect_refused(1, "--to gguf -o new/m.gguf -m " + small + ",activation=relu", "activation", "gelu_tanh", "relu");
  expect_refused(1, "--to gguf -o new/m.gguf -m " + small + ",scale_by_layer=1", "attention scores", "layer");
  expect_refused(2, "--to gguf -o . -m " + small, "--out", "gguf", "\".\"");
  for (const char* name : {"m.safetensors", "m.pt", "m.onnx", "m.bin"})
    expect_refused(2, std::string("-o ") + name + " -m " + small, "--out", name, "--to huggingface");
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

TEST_F(Convert, StartAndEndsOfTextAreKeptOrRefused) {
  ASSERT_EQ(run(std::string("gpt2convert -q -o hf -m ") + kSmall).code, 0);
  const auto set_ends = [&](const std::string& start, const std::string& ends) {
    ASSERT_EQ(run("sed -i 's/\"bos_token_id\": .*/\"bos_token_id\": " + start +
                  ",/; s/\"eos_token_id\": .*/\"eos_token_id\": " + ends + ",/' hf/config.json")
                  .code,
              0);
  };
  set_ends("3", "[30,4,5]");
  ASSERT_EQ(run("gpt2convert -q -m hf -o copy").code, 0);
  EXPECT_EQ(read_text(folder() / "copy/config.json"), read_text(folder() / "hf/config.json"));
  expect_refused(1, "-m hf --to gguf -o m.gguf", "tokens that end a text");
  expect_refused(1, "-m hf --to llmc -o m.bin", "tokens that end a text");
  set_ends("3", "30");
  expect_refused(1, "-m hf --to llmc -o m.bin", "start of text", "3");
  set_ends("3", "[30, 4]");
  ASSERT_EQ(run("gpt2convert -q -m hf --to gguf -o m.gguf && gpt2convert -q -m m.gguf -o back").code, 0);
  EXPECT_THAT(read_text(folder() / "back/config.json"), HasSubstr("\"eos_token_id\": [30,4]"));
  EXPECT_THAT(read_text(folder() / "back/config.json"), HasSubstr("\"bos_token_id\": 3"));
}

// Makes hf of FP64: wte begins with 1 + 2^-11 + 2^-40, which FP32 would round to a tie of FP16, and with `second`.
constexpr char kMakeF64[] = R"(python3 - <<'E'
import json, struct
bytes = open('hf/model.safetensors', 'rb').read()
size = int.from_bytes(bytes[:8], 'little')
header = json.loads(bytes[8:8 + size])
for name, entry in header.items():
    if name != '__metadata__':
        entry['dtype'], entry['data_offsets'] = 'F64', [2 * offset for offset in entry['data_offsets']]
values = list(struct.unpack('<%df' % ((len(bytes) - 8 - size) // 4), bytes[8 + size:]))
values[:2] = 1 + 2**-11 + 2**-40, SECOND
text = json.dumps(header).encode()
open('hf/model.safetensors', 'wb').write(len(text).to_bytes(8, 'little') + text + struct.pack('<%dd' % len(values), *values))
E)";

std::string make_f64(const std::string& second) {
  std::string script = kMakeF64;
  return script.replace(script.find("SECOND"), 6, second);
}

TEST_F(Convert, Fp64IsKeptWhereTheLayoutHasIt) {
  ASSERT_EQ(run(std::string("gpt2convert -q -o hf -m ") + kSmall).code, 0);
  ASSERT_EQ(run(make_f64("-0.1")).code, 0);
  const Outcome done = run("gpt2convert -q -m hf -o copy");
  ASSERT_EQ(done.code, 0) << done.err;
  const auto data_of = [&](const char* file) {
    const std::string bytes = read_text(folder() / file);
    uint64_t header;
    std::memcpy(&header, bytes.data(), sizeof header);
    return bytes.substr(sizeof header + header);
  };
  EXPECT_TRUE(data_of("copy/model.safetensors") == data_of("hf/model.safetensors"));
  EXPECT_THAT(read_text(folder() / "copy/config.json"), HasSubstr("\"float64\""));
  expect_refused(1, "-m hf --to llmc -o m.bin", "m.bin", "fp32", "bf16", "fp64", "--type");
  expect_refused(1, "-m hf --to gguf -o m.gguf", "m.gguf", "fp32", "fp64", "wte", "--type");
  for (const char* to : {"llmc -o m.bin", "gguf -o m.gguf"})
    EXPECT_EQ(run(std::string("gpt2convert -q -m hf --type fp32 --to ") + to).code, 0) << to;
}

TEST_F(Convert, Fp64IsRoundedOnce) {
  ASSERT_EQ(run(std::string("gpt2convert -q -o hf -m ") + kSmall).code, 0);
  ASSERT_EQ(run(make_f64("-0.1")).code, 0);
  ASSERT_EQ(run("gpt2convert -q -m hf -o half --type fp16").code, 0);
  const Outcome first = run(R"(python3 - <<'E'
import struct
bytes = open('half/model.safetensors', 'rb').read()
print(*struct.unpack_from('<2e', bytes, 8 + int.from_bytes(bytes[:8], 'little')))
E)");
  EXPECT_EQ(first.out, "1.0009765625 -0.0999755859375\n");
  ASSERT_EQ(run("gpt2convert -q -o hf --force -m " + std::string(kSmall)).code, 0);
  ASSERT_EQ(run(make_f64("-1e300")).code, 0);
  expect_refused(1, "-m hf -o single --type fp32", "weight wte", "fp32", "3.40282e+38", "-1e+300");
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

TEST_F(Convert, AListOfSumsIsReplacedOnlyWhenForced) {
  ASSERT_EQ(run("mkdir hf && echo old >hf/SHA256SUMS").code, 0);
  expect_refused(1, std::string("-o hf -m ") + kSmall, "hf/SHA256SUMS", "--force");
  EXPECT_EQ(run("ls hf").out, "SHA256SUMS\n");
  EXPECT_EQ(run(std::string("gpt2convert -q --force -o hf -m ") + kSmall).code, 0);
  EXPECT_EQ(run("cd hf && sha256sum --check --quiet SHA256SUMS").code, 0);
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

// config.json is read with a file of weights that is named, and a folder with a shard.
TEST_F(Convert, WhatIsReadBesideANamedFileIsNeverReplaced) {
  const std::string torch = SOURCE_DIR "/tests/golden/torch/transformers",
                    shards = SOURCE_DIR "/tests/golden/models/bf16-sharded";
  ASSERT_EQ(
      run("cp -r " + torch + " bin && cp -r " + shards + " shards && chmod -R u+w . && rm -f bin/*.safetensors").code,
      0);
  expect_refused(1, "-m bin/pytorch_model.bin -o bin --force", "bin/config.json", "not read");
  expect_refused(
      1, "-m shards/model-00001-of-00003.safetensors --to gguf --force -o shards/model-00002-of-00003.safetensors",
      "shards/model-00002-of-00003.safetensors", "not read");
  EXPECT_EQ(run("gpt2convert -q -m bin/pytorch_model.bin -o new").code, 0);
  EXPECT_EQ(run("gpt2convert -q -m shards/model-00001-of-00003.safetensors -o one").code, 0);
}

// A tokenizer of another model would be taken for this one's.
TEST_F(Convert, NoForeignTokenizerBeside) {
  write("gpt2_tokenizer.bin", "of another model");
  expect_refused(1, std::string("--to llmc -o m.bin --force -m ") + kSmall, "gpt2_tokenizer.bin");
  ASSERT_EQ(run("mkdir hf && echo '{}' >hf/added_tokens.json").code, 0);
  expect_refused(1, "-o hf --force -m " + kDemo, "hf/added_tokens.json");
  ASSERT_EQ(run("mv hf/added_tokens.json hf/generation_config.json").code, 0);
  expect_refused(1, "-o hf --force -m " + kDemo, "hf/generation_config.json");
}

TEST_F(Convert, WrongCommandLines) {
  const std::string model = std::string("-m ") + kSmall;
  expect_refused(2, "", "--model");
  expect_refused(2, model, "--out");
  expect_refused(2, model + " -o - --to llmc", "--out", "\"-\"");
  expect_refused(2, model + " -o a --to onnx", "--to", "huggingface|llmc", "\"onnx\"");
  expect_refused(2, model + " -o a --type int2", "--type", "keep|fp32|bf16|fp16", "\"int2\"");
  expect_refused(2, model + " -o a --tpye fp16", "--tpye", "--type");
  expect_refused(2, model + " -o . --to llmc", "--out", "llmc", "folder");
  expect_refused(2, model + " -o new/demo.gguf", "--out", "new/demo.gguf", "--to gguf");
  expect_refused(2, model + " -o demo.bin", "--out", "demo.bin", "--to llmc");
  EXPECT_EQ(run("gpt2convert -q -o demo.gguf --to huggingface " + model).code, 0);
  EXPECT_EQ(run("gpt2convert -q -o demo.gguf --force " + model).code, 0) << "a folder that is there";
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
