// The loader `huggingface` on config.json and generation_config.json: each setting, what a missing one means, and what
// makes no difference.
#include <gtest/gtest.h>

#include <vector>

#include "loaders/model_folder.hpp"
#include "loaders/same_model.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {
namespace {

TEST(Huggingface, AbsentSettingsHaveTheirDefaults) {
  const ModelFolder folder;
  folder.edit_json("config.json", [](Json& config) {
    for (const char* key : {"layer_norm_epsilon", "eos_token_id", "activation_function", "n_positions",
                            "tie_word_embeddings", "architectures"}) {
      config.erase(key);
    }
  });
  const auto checkpoint = open_huggingface(folder.path());
  const ModelConfig& m = checkpoint->config();
  EXPECT_EQ(m.epsilon, 1e-5f);
  EXPECT_EQ(m.end_of_text, -1);
  EXPECT_EQ(m.T, 11);
  EXPECT_EQ(m.activation, Activation::gelu_tanh);
  EXPECT_FALSE(m.scale_by_layer);
}

// transformers has general names for the sizes of every model, and takes those of GPT-2's smallest where they are
// missing.
TEST(Huggingface, SizesHaveGeneralNamesAndDefaults) {
  const ModelFolder folder;
  const ModelConfig expected = open_huggingface(folder.path())->config();
  folder.edit_json("config.json", [](Json& config) {
    for (const auto& [own, general] : {std::pair("n_layer", "num_hidden_layers"),
                                       {"n_head", "num_attention_heads"},
                                       {"n_embd", "hidden_size"},
                                       {"n_positions", "max_position_embeddings"}}) {
      config[general] = config[own];
      config.erase(own);
    }
  });
  const auto checkpoint = open_huggingface(folder.path());
  for (const auto size : {&ModelConfig::L, &ModelConfig::H, &ModelConfig::C, &ModelConfig::T})
    EXPECT_EQ(checkpoint->config().*size, expected.*size);
  folder.edit_json("config.json", [](Json& config) { config.erase("num_attention_heads"); });
  PluginLog::instance().take();
  EXPECT_EQ(open_huggingface(folder.path())->config().H, 12);
  const std::vector<std::string> lines = PluginLog::instance().take();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("n_head"), std::string::npos) << lines[0];
}

TEST(Huggingface, TheTokenizerIsTheFoldersOwnWhateverItsFiles) {
  for (const std::vector<const char*>& files :
       {std::vector{"tokenizer.json"}, {"merges.txt", "vocab.json"}, {"encoder.json", "vocab.bpe"}, {"vocab.txt"}}) {
    const ModelFolder folder;
    EXPECT_EQ(open_huggingface(folder.path())->tokenizer(), nullptr);
    for (const char* file : files) folder.write(file, "{}");
    EXPECT_STREQ(open_huggingface(folder.path())->tokenizer(), folder.path().c_str()) << files.front();
    folder.remove(files.back());
    EXPECT_EQ(open_huggingface(folder.path())->tokenizer(), nullptr) << files.front();
  }
  const ModelFolder folder;
  std::filesystem::create_symlink("nowhere", folder.path("tokenizer.json"));
  EXPECT_STREQ(open_huggingface(folder.path())->tokenizer(), folder.path().c_str());
}

TEST(Huggingface, EpsilonIsHonoured) {
  const ModelFolder folder;
  folder.set("layer_norm_epsilon", 0.125);
  EXPECT_EQ(open_huggingface(folder.path())->config().epsilon, 0.125f);
}

// The tokens at which texts of a model begin and end.
struct TextEnds {
  int32_t start;
  std::vector<int32_t> ends;

  bool operator==(const TextEnds&) const = default;
};

TextEnds text_ends(const ModelFolder& folder) {
  const auto checkpoint = open_huggingface(folder.path());
  const ModelConfig& m = checkpoint->config();
  TextEnds found{m.start_of_text, {}};
  for (int32_t id = 0; id < m.V; ++id)
    if (ends_text(m, id)) found.ends.push_back(id);
  EXPECT_EQ(m.end_of_text < 0, found.ends.empty());
  return found;
}

// The golden model has three tokens.
TEST(HuggingfaceTextEnds, AnIdAListOrNone) {
  const ModelFolder folder;
  PluginLog::instance().take();
  const auto found = [&](const Json& eos, const Json& bos) {
    folder.set("eos_token_id", eos);
    folder.set("bos_token_id", bos);
    return text_ends(folder);
  };
  EXPECT_EQ(found(2, nullptr), (TextEnds{-1, {2}}));
  EXPECT_EQ(found(Json::array({2, 1, 2}), nullptr), (TextEnds{-1, {1, 2}}));
  EXPECT_EQ(found(Json::array(), 0), (TextEnds{0, {}}));
  EXPECT_EQ(found(nullptr, 1), (TextEnds{1, {}}));
  EXPECT_EQ(found(2, 2), (TextEnds{-1, {2}}));
  EXPECT_EQ(found(-1, -1), (TextEnds{-1, {}}));
  EXPECT_EQ(PluginLog::instance().take(), std::vector<std::string>());
}

TEST(HuggingfaceTextEnds, AnIdBeyondTheVocabularyIsNoneAndSaid) {
  const ModelFolder folder;
  folder.set("eos_token_id", Json::array({50256, 1}));
  folder.set("bos_token_id", 50256);
  PluginLog::instance().take();
  EXPECT_EQ(text_ends(folder), (TextEnds{-1, {1}}));
  const std::vector<std::string> lines = PluginLog::instance().take();
  ASSERT_EQ(lines.size(), 2u);
  const std::string start = "2 " + folder.path("config.json").string() + ": ";
  EXPECT_EQ(lines[0], start + "eos_token_id: expected a token id below 3, found 50256: taken as none");
  EXPECT_EQ(lines[1], start + "bos_token_id: expected a token id below 3, found 50256: taken as none");
}

// That of GPT-2, as in configurations of 2019, which name none.
TEST(HuggingfaceTextEnds, AMissingSettingIsGpt2s) {
  const ModelFolder folder;
  constexpr int32_t kVocab = 50257;
  folder.edit_tensors([](std::map<std::string, TensorBytes>& tensors) {
    TensorBytes& wte = tensors.at("transformer.wte.weight");
    wte.data.assign(wte.data.size() / static_cast<size_t>(wte.shape[0]) * kVocab, '\0');
    wte.shape[0] = kVocab;
    tensors.erase("lm_head.weight");
  });
  folder.set("vocab_size", kVocab);
  const auto without = [&](const char* key) {
    folder.edit_json("config.json", [&](Json& config) { config.erase(key); });
  };
  without("eos_token_id");
  EXPECT_EQ(text_ends(folder), (TextEnds{2, {50256}}));
  without("bos_token_id");
  EXPECT_EQ(text_ends(folder), (TextEnds{-1, {50256}}));
  folder.set("eos_token_id", nullptr);
  EXPECT_EQ(text_ends(folder), (TextEnds{50256, {}}));
  folder.write("generation_config.json", R"({"eos_token_id": 7})");
  EXPECT_EQ(text_ends(folder), (TextEnds{50256, {7}}));
}

// As transformers generates: its second file comes first.
TEST(HuggingfaceTextEnds, GenerationConfigComesFirst) {
  const ModelFolder folder;
  folder.set("eos_token_id", 2);
  folder.set("bos_token_id", 2);
  folder.write("generation_config.json", R"({"eos_token_id": [1, 0], "temperature": NaN})");
  EXPECT_EQ(text_ends(folder), (TextEnds{2, {0, 1}}));
  folder.write("generation_config.json", R"({"bos_token_id": 0, "eos_token_id": null})");
  EXPECT_EQ(text_ends(folder), (TextEnds{0, {2}}));
}

TEST(Huggingface, AConfigurationWithoutItsTypeIsKnownByItsSettings) {
  const ModelFolder folder;
  const auto expected = open_huggingface(folder.path());
  folder.edit_json("config.json", [](Json& config) { config.erase("model_type"); });
  PluginLog::instance().take();
  expect_same_config(open_huggingface(folder.path())->config(), expected->config());
  const std::vector<std::string> lines = PluginLog::instance().take();
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0],
            "1 " + folder.path("config.json").string() + ": no model_type: taken as gpt2, whose settings it has");
}

// Python's json module writes them. They are no harm where nobody reads them.
TEST(Huggingface, NumbersOfPythonAreNoHarm) {
  const ModelFolder folder;
  const auto expected = open_huggingface(folder.path());
  const std::string config = folder.read("config.json");
  folder.write("config.json", "{\"a\": NaN, \"b\\\"NaN\": [Infinity, -Infinity, \"NaN\"]," + config.substr(1));
  expect_same_config(open_huggingface(folder.path())->config(), expected->config());
}

TEST(Huggingface, ActivationsHaveTheNamesOfTransformers) {
  const std::pair<const char*, Activation> names[] = {{"gelu_new", Activation::gelu_tanh},
                                                      {"gelu_fast", Activation::gelu_tanh},
                                                      {"gelu_python_tanh", Activation::gelu_tanh},
                                                      {"gelu_accurate", Activation::gelu_tanh},
                                                      {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                                      {"gelu", Activation::gelu_erf},
                                                      {"gelu_python", Activation::gelu_erf},
                                                      {"relu", Activation::relu},
                                                      {"silu", Activation::silu},
                                                      {"swish", Activation::silu},
                                                      {"tanh", Activation::tanh}};
  for (const auto& [name, activation] : names) {
    const ModelFolder folder;
    folder.set("activation_function", name);
    EXPECT_EQ(open_huggingface(folder.path())->config().activation, activation) << name;
  }
}

TEST(Huggingface, ScoresScaledByTheLayerAreHonoured) {
  const ModelFolder folder;
  folder.set("scale_attn_by_inverse_layer_idx", true);
  EXPECT_TRUE(open_huggingface(folder.path())->config().scale_by_layer);
}

TEST(Huggingface, NeutralSettingsAreAccepted) {
  const ModelFolder folder;
  folder.set("scale_attn_weights", true);
  folder.set("scale_attn_by_inverse_layer_idx", false);
  folder.set("reorder_and_upcast_attn", true);
  folder.set("quantization_config", nullptr);
  folder.set("pruned_heads", Json::object());
  folder.set("summary_type", "cls_index");
  EXPECT_EQ(open_huggingface(folder.path())->config().L, 2);
}

}  // namespace
}  // namespace gpt2run::test
