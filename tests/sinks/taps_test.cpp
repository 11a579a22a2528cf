// The sink taps: its arrays are what transformers computes, its files are whole or absent, and wrong options are named.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "gpt2run/engine/generate.hpp"
#include "sinks/sink_fixture.hpp"
#include "support/argmax.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::content_of;
using test::error_of;

struct Array {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

Array read_npy(const std::string& path) {
  const std::string bytes = content_of(path);
  EXPECT_EQ(bytes.substr(0, 6), "\x93NUMPY") << path;
  const std::string header = bytes.substr(0, 128);
  EXPECT_NE(header.find("'<f4'"), header.npos) << header;
  Array array;
  const size_t begin = header.find('(') + 1;
  const json shape = json::parse("[" + header.substr(begin, header.find(')') - begin) + "]");
  size_t count = 1;
  for (const int64_t size : shape) array.shape.push_back(size), count *= static_cast<size_t>(size);
  EXPECT_EQ(bytes.size(), 128 + 4 * count) << path;
  array.values.resize(count);
  std::memcpy(array.values.data(), bytes.data() + 128, std::min(bytes.size() - 128, 4 * count));
  return array;
}

class Taps : public test::SinkTest {
 protected:
  std::unique_ptr<Sink> taps(test::OptionValues options = {}) const {
    options.try_emplace("dir", folder_);
    return sink("taps", options);
  }

  // Runs a golden model on its tokens. The first `given` of them are the prompt, and the sampler chooses the rest.
  json run(const std::string& model, const test::OptionValues& options, int given, Generation generation = {}) {
    golden = json::parse(content_of(SOURCE_DIR "/tests/golden/inside/" + model + ".json"));
    const auto loader = test::make_plugin<Loader>(Kind::loader, "huggingface");
    const auto checkpoint = loader->open((SOURCE_DIR "/tests/golden/models/" + model).c_str());
    const auto precision = test::make_plugin<Precision>(Kind::precision, "cpu-fp32");
    const ModelConfig& config = checkpoint->config();
    std::vector<int32_t> tokens = golden["tokens"];
    const auto all = static_cast<int32_t>(tokens.size());
    tokens.resize(given);
    const std::vector<Prompt> prompts = {{"", tokens}, {"", {tokens[0]}}};
    // The last token is fed to the model only where another one follows, or where none is chosen at all.
    generation.max_new = given == all ? 0 : all - given + 1, generation.ignore_eos = true;
    const auto own = taps(options);
    Sink* sinks[] = {own.get()};
    test::Argmax argmax(false);
    const Chain chain{{&argmax}, Space::host, false};
    const auto session = precision->open(*checkpoint, plan_limits(config, prompts, generation, sinks, chain));
    const json manifest = {{"model", {{"config", {{"L", config.L}, {"H", config.H}}}}}};
    generate(*session, config, chain, sinks, nullptr, prompts, generation, manifest.dump());
    const auto name = options.find("name");
    return json::parse(content_of(path(name == options.end() ? "index.json" : name->second + "_index.json")));
  }

  // The array of the first sequence with that name of Hugging Face's.
  Array array_of(const json& index, const std::string& name) {
    for (const json& array : index["sequences"][0]["arrays"]) {
      if (array["hugging_face"] != name) continue;
      const Array found = read_npy(path(array["file"]));
      EXPECT_EQ(array["shape"], json(found.shape));
      return found;
    }
    ADD_FAILURE() << "no array " << name;
    return {};
  }

  json golden;
};

// transformers' values are doubles. FP32 rounds each sum of up to 100 terms and what it is computed from, by 2^-24 for
// each term at most; 1e-5 of the values' RMS is twice as much.
void expect_equal(const Array& found, const json& expected, const std::string& name) {
  EXPECT_EQ(json(found.shape), expected["shape"]) << name;
  const std::vector<double> values = expected["values"];
  ASSERT_EQ(found.values.size(), values.size()) << name;
  double squares = 0;
  for (const double value : values) squares += value * value;
  const double rms = std::sqrt(squares / static_cast<double>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(found.values[i], values[i], 1e-5 * rms) << name << " " << i;
}

TEST_F(Taps, HiddenStatesAndAttentionsAreThoseOfTransformers) {
  for (const auto& [model, given] :
       std::vector<std::pair<std::string, int>>{{"plain", 4}, {"gelu-erf-by-layer", 5}, {"gelu-erf-by-layer", 13}}) {
    SCOPED_TRACE(model);
    Generation generation;
    generation.batch = 2, generation.chunk = 3;  // rows of both sequences in one step, and a prompt in pieces
    const json index = run(model, {{"ops", "embed+down_add+attention_weights"}}, given, generation);
    const json& states = golden["hidden_states"];
    for (size_t i = 0; i + 1 < states.size(); ++i) {
      const std::string name = "hidden_states[" + std::to_string(i) + "]";
      expect_equal(array_of(index, name), states[i], name);
    }
    for (size_t i = 0; i < golden["attentions"].size(); ++i) {
      const std::string name = "attentions[" + std::to_string(i) + "]";
      expect_equal(array_of(index, name), golden["attentions"][i], name);
    }
    EXPECT_EQ(array_of(index, "input of transformer.ln_f").shape[0], std::ssize(golden["tokens"]));
    std::vector<int32_t> tokens = index["sequences"][0]["tokens"];
    tokens.resize(golden["tokens"].size());
    EXPECT_EQ(tokens, golden["tokens"].get<std::vector<int32_t>>());
    EXPECT_EQ(index["sequences"][1]["sequence"], 1);
  }
}

TEST_F(Taps, OptionsChooseWhatIsWritten) {
  const json index =
      run("plain", {{"ops", "norm_qkv+norm_logits"}, {"layers", "1"}, {"positions", "1-3"}, {"name", "x"}}, 4);
  EXPECT_EQ(files(), (std::vector<std::string>{"x_index.json", "x_sequence0_layer1_norm_qkv.npy",
                                               "x_sequence0_norm_logits.npy"}));
  const json& arrays = index["sequences"][0]["arrays"];
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays[0]["op"], "norm_logits");
  EXPECT_TRUE(arrays[0]["layer"].is_null());
  EXPECT_EQ(arrays[0]["positions"], json({3})) << "the only row that has logits";
  EXPECT_EQ(arrays[0]["shape"], json({1, 3}));
  EXPECT_EQ(arrays[1]["layer"], 1);
  EXPECT_EQ(arrays[1]["hugging_face"], "output of transformer.h.1.attn.c_attn");
  EXPECT_EQ(arrays[1]["positions"], json({1, 2, 3}));
  EXPECT_EQ(arrays[1]["shape"], json({3, 3 * 48}));
  EXPECT_EQ(index["sequences"][1]["arrays"].size(), 0u) << "a text of one token";
}

TEST_F(Taps, AllOperationsHaveNames) {
  const json index = run("plain", {{"ops", "all+attention_weights"}, {"layers", "0"}}, 4);
  std::vector<std::string> names;
  for (const json& array : index["sequences"][1]["arrays"]) names.push_back(array["hugging_face"]);
  EXPECT_EQ(names,
            (std::vector<std::string>{"input of transformer.h.0.attn.c_proj", "attentions[0]", "hidden_states[1]",
                                      "hidden_states[0]", "logits", "output of transformer.h.0.attn.c_attn",
                                      "output of transformer.h.0.mlp.act", "input of transformer.h.0.ln_2"}));
}

TEST_F(Taps, WrongOptionsAreNamed) {
  const auto error = [&](const test::OptionValues& options) { return error_of([&] { taps(options); }); };
  using testing::HasSubstr;
  EXPECT_THAT(error({{"ops", "attention+mlp"}}), HasSubstr("norm_up_gelu"));
  EXPECT_THAT(error({{"ops", "attention+mlp"}}), HasSubstr("found \"mlp\""));
  EXPECT_THAT(error({{"ops", ""}}), HasSubstr("found \"\""));
  EXPECT_THAT(error({{"ops", "embed+"}}), HasSubstr("taps: ops"));
  EXPECT_THAT(error({{"layers", "3-1"}}), HasSubstr("taps: layers"));
  EXPECT_THAT(error({{"positions", "first"}}), HasSubstr("taps: positions"));
  EXPECT_THAT(error({{"name", "a/b"}}), HasSubstr("a/b"));
}

TEST_F(Taps, ARunWithoutChosenValuesIsAnErrorAndLeavesNothing) {
  const std::string error = error_of([&] { run("plain", {{"ops", "norm_qkv"}, {"layers", "2"}}, 4); });
  EXPECT_THAT(error, testing::HasSubstr("0 to 1, found 2"));
  EXPECT_THAT(error_of([&] {
                run("plain", {{"ops", "embed"}, {"positions", "99"}}, 4);
              }),
              testing::HasSubstr("2 layers and 4 positions"));
  EXPECT_TRUE(files().empty());
}

TEST_F(Taps, TellsOfPositionsBeyondTheTextAndOfOlderArrays) {
  const auto lines = [] {
    std::string all;
    for (const std::string& line : test::PluginLog::instance().take()) all += line + "\n";
    return all;
  };
  run("plain", {{"ops", "embed"}, {"positions", "1+9-12,3-5"}}, 4);
  EXPECT_THAT(lines(), testing::AllOf(testing::HasSubstr("nothing was read at 9-12,"), testing::HasSubstr("after 4"),
                                      testing::Not(testing::HasSubstr("has not written"))));
  run("plain", {{"ops", "attention"}, {"layers", "1"}}, 4);
  EXPECT_THAT(lines(), testing::AllOf(testing::HasSubstr("has 1 array that this run has not written, such as "
                                                         "sequence0_embed.npy"),
                                      testing::Not(testing::HasSubstr("nothing was read"))));
  run("plain", {{"ops", "attention"}, {"layers", "1"}, {"name", "x"}}, 4);
  EXPECT_THAT(lines(), testing::Not(testing::HasSubstr("has not written"))) << "files of another name";
}

}  // namespace
}  // namespace gpt2run
