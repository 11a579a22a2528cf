// Plugins that were built with the frozen copy of the contract's headers give, in one command, what the plugins of this
// tree give: the layout of everything that a program and a plugin hand to each other is still the same.
#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "gpt2run/loader.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "support/plugin.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

namespace fs = std::filesystem;

const std::string kDemo = std::string(SOURCE_DIR) + "/models/demo";

// The demo model in the format of the loader `frozen`.
fs::path write_model(const ScratchFolder& folder) {
  const auto checkpoint = make_plugin<Loader>(Kind::loader, "huggingface")->open(kDemo.c_str());
  const ModelConfig& m = checkpoint->config();
  const fs::path path = folder.path() / "model";
  std::ofstream file(path, std::ios::binary);
  file << "frozen";
  for (const int32_t size : {m.L, m.H, m.C, m.F, m.V, m.T, m.end_of_text}) file << " " << size;
  file << " " << m.epsilon << "\n";
  for (int w = 0; w < static_cast<int>(Weight::head_w); ++w) {
    const auto weight = static_cast<Weight>(w);
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) {
      const Tensor tensor = checkpoint->tensor(weight, layer);
      std::vector<float> values;
      for (int64_t row = 0; row < tensor.rows; ++row)
        for (int64_t col = 0; col < tensor.cols; ++col) values.push_back(at(tensor, row, col));
      file.write(reinterpret_cast<const char*>(values.data()), std::ssize(values) * 4);
    }
  }
  return path;
}

Outcome run(const std::string& arguments) {
  return run_program(std::string(BINARY_DIR) +
                     "/bin/gpt2run -q -n 10 --seed 7 --samples 2 --batch 3 --prompt 'Once upon a time' --prompt 'The "
                     "king' --prompt 'In the deep forest' --stop '.' --tokenizer " +
                     kDemo + " " + arguments);
}

// What the sink `frozen` writes, made of what the sink jsonl wrote.
std::string lines_of(const std::string& jsonl) {
  std::string lines;
  std::istringstream in(jsonl);
  for (std::string line; std::getline(in, line);) {
    const auto sequence = nlohmann::json::parse(line);
    lines += std::to_string(sequence["sequence"].get<int>()) + " " + sequence["finish_reason"].get<std::string>() + " ";
    char word[64];
    for (const unsigned char byte : sequence["text"].get<std::string>()) {
      std::snprintf(word, sizeof word, "%02x", byte);
      lines += word;
    }
    for (size_t i = 0; i < sequence["tokens"].size(); ++i) {
      const float logprob = sequence["logprobs"][i].get<float>();
      std::snprintf(word, sizeof word, " %d:%a", sequence["tokens"][i].get<int>(), static_cast<double>(logprob));
      lines += word;
    }
    lines += "\n";
  }
  return lines;
}

TEST(Frozen, PluginsOfAllKindsGiveWhatThoseOfTheTreeGive) {
  const ScratchFolder scratch;
  const std::string model = write_model(scratch).string(), out = (scratch.path() / "out").string();
  const Outcome own =
      run("--model " + kDemo +
          " --precision reference:type=bf16 --sampler nucleus --temp 1.5 --top_k 30 --top_p 1 --sink jsonl");
  ASSERT_EQ(own.code, 0) << own.err;
  const std::string expected = lines_of(own.out);
  ASSERT_EQ(std::count(expected.begin(), expected.end(), '\n'), 6) << expected;
  const Outcome frozen =
      run("--plugin-dir " FROZEN_PLUGINS " --model " + model +
          " --loader frozen --precision frozen --sampler frozen:temp=1.5:top_k=30 --sink frozen:out=" + out);
  ASSERT_EQ(frozen.code, 0) << frozen.err;
  EXPECT_EQ(read_whole(out), expected);
}

}  // namespace
}  // namespace gpt2run::test
