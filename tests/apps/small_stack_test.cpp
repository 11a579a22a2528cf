// Programs on a machine that gives every thread a stack of 64 KiB, the workers' included (`ulimit -s 64`).
#include <gmock/gmock.h>

#include "apps/shell.hpp"
#include "support/sanitizers.hpp"

namespace gpt2run {
namespace {

class SmallStack : public Shell {
 protected:
  void SetUp() override {
    SKIP_UNDER_ASAN("the sanitizer's own frames are larger");
    Shell::SetUp();
    write("prompts.txt", "Once upon a time\nThe king\nA little girl went into the dark forest and there she met\n");
  }

  void expect_done(const std::string& command) const {
    const Outcome done = run("ulimit -s 64; " + command);
    EXPECT_EQ(done.code, 0) << command << ": " << done.err;
  }
};

// More than a handful of rows at a time, so that products of many rows are computed too.
TEST_F(SmallStack, EveryPrecisionPrefillsAndDecodes) {
  for (const char* type : {"fp32", "bf16", "fp16"}) {
    const std::string command = "gpt2run -q --prompts prompts.txt --batch 3 -n 4 --threads 2 --precision ";
    expect_done(command + "cpu-" + type);
    expect_done(command + "cpu-" + type + ":isa=portable");
    expect_done(command + "reference:type=" + type);
  }
}

TEST_F(SmallStack, EverySamplerAndSinkAndTheRecord) {
  expect_done("gpt2run -q --prompts prompts.txt -n 4 --sampler repetition-penalty:penalty=1.3,min-p,top-k,nucleus");
  expect_done(
      "gpt2run -q --prompts prompts.txt -n 4 --sampler argmax --manifest run.json "
      "--sink jsonl:out=all.jsonl:top=5,logits,tokens:out=ids.txt,timings:out=times.json,text");
  expect_done("gpt2run -q --config run.json");
}

TEST_F(SmallStack, TheOtherPrograms) {
  expect_done("gpt2run --explain && gpt2run --report weights --precision bf16");
  expect_done("gpt2compare -q --ref fp32 --test bf16 --prompts prompts.txt -n 4 --layers 2");
  expect_done("gpt2perplexity -q --precision bf16 --prompts prompts.txt");
  expect_done("gpt2bench -q --model " SOURCE_DIR
              "/models/demo --precision bf16 --repetitions 1 --prompt_tokens 32 "
              "--new_tokens 4 --batch 2 --read_mb 4");
  expect_done("gpt2convert -q --model " SOURCE_DIR "/models/demo --to llmc --out model.bin");
  expect_done("gpt2run -q --model model.bin -n 2");
  expect_done("gpt2tokenize encode 'Once upon a time' && gpt2plugins list");
  for (const char* plugin : {"loader-huggingface", "precision-cpu-fp16", "sampler-nucleus", "sink-jsonl"})
    expect_done(std::string("gpt2run-plugin-check " BINARY_DIR "/lib/gpt2run/gpt2run-") + plugin + ".so");
}

}  // namespace
}  // namespace gpt2run
