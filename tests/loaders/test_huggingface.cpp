// The loader `huggingface` on good files: every weight as numpy wrote it, in every layout that transformers writes.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "loaders/model_folder.hpp"
#include "loaders/weights.hpp"
#include "support/golden.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {
namespace {

std::unique_ptr<Checkpoint> open(const std::string& path) {
  return make_plugin<Loader>(Kind::loader, "huggingface")->open(path.c_str());
}

Golden golden(const std::string& name) {
  for (Golden& golden : load_goldens()) {
    if (golden.name == name) return golden;
  }
  ADD_FAILURE() << "no golden is named " << name;
  return {};
}

void expect_types(const Checkpoint& checkpoint, Type type) {
  for (int i = 0; i < kWeights; ++i) EXPECT_EQ(checkpoint.tensor(static_cast<Weight>(i), 0).type, type);
}

TEST(Huggingface, EveryWeightEqualsNumpys) {
  int compared = 0;
  for (const Golden& golden : load_goldens()) {
    if (golden.synthetic || golden.checksums.empty()) continue;
    SCOPED_TRACE(golden.name);
    const auto checkpoint = open(golden.model);
    expect_complete(*checkpoint);
    expect_checksums(*checkpoint, golden.checksums);
    ++compared;
  }
  EXPECT_EQ(compared, 8);
}

TEST(Huggingface, TypesAreThoseOfTheFile) {
  expect_types(*open(golden("plain").model), Type::f32);
  expect_types(*open(golden("bf16-sharded").model), Type::bf16);
  expect_types(*open(golden("f16").model), Type::f16);
}

TEST(Huggingface, SettingsAreThoseOfTheFile) {
  const auto checkpoint = open(golden("plain").model);
  const ModelConfig& m = checkpoint->config();
  EXPECT_EQ(m.L, 2);
  EXPECT_EQ(m.H, 3);
  EXPECT_EQ(m.C, 48);
  EXPECT_EQ(m.F, 100);
  EXPECT_EQ(m.V, 3);
  EXPECT_EQ(m.T, 11);
  EXPECT_EQ(m.end_of_text, 2);
  EXPECT_EQ(m.epsilon, 1e-5f);
}

TEST(Huggingface, Conv1dIsShownTurnedAndNotCopied) {
  const auto checkpoint = open(golden("plain").model);
  const Tensor qkv = checkpoint->tensor(Weight::qkv_w, 1);
  EXPECT_EQ(qkv.row_stride, 1);
  EXPECT_EQ(qkv.col_stride, 3 * 48);
  const Tensor down = checkpoint->tensor(Weight::down_w, 0);
  EXPECT_EQ(down.row_stride, 1);
  EXPECT_EQ(down.col_stride, 48);
  const Tensor wte = checkpoint->tensor(Weight::wte, 0);
  EXPECT_EQ(wte.row_stride, 48);
  EXPECT_EQ(wte.col_stride, 1);
  EXPECT_EQ(checkpoint->tensor(Weight::qkv_w, 1).data, qkv.data);
}

TEST(Huggingface, MissingHeadOfATiedModelIsTheTokenEmbedding) {
  const auto checkpoint = open(golden("plain").model);
  EXPECT_EQ(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
}

TEST(Huggingface, StoredHeadIsUsed) {
  const auto checkpoint = open(golden("separate-head").model);
  EXPECT_NE(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
}

TEST(Huggingface, StoredHeadThatDiffersIsUsedEvenWhenTied) {
  const ModelFolder folder("separate-head");
  folder.set("tie_word_embeddings", true);
  PluginLog::instance().take();
  const auto checkpoint = open(folder.path());
  EXPECT_NE(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
  const auto log = PluginLog::instance().take();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_NE(log[0].find("lm_head.weight differs"), std::string::npos) << log[0];
}

TEST(Huggingface, StoredCopyOfATiedHeadIsTheTokenEmbedding) {
  const ModelFolder folder("separate-head");
  folder.set("tie_word_embeddings", true);
  const Json header = folder.header();
  const auto offset = [&](const char* name) { return header[name]["data_offsets"][0].get<size_t>(); };
  const size_t bytes = header["lm_head.weight"]["data_offsets"][1].get<size_t>() - offset("lm_head.weight");
  std::string file = folder.read("model.safetensors");
  uint64_t size;
  std::memcpy(&size, file.data(), sizeof size);
  file.replace(8 + size + offset("lm_head.weight"), bytes,
               file.substr(8 + size + offset("transformer.wte.weight"), bytes));
  folder.write("model.safetensors", file);
  const auto checkpoint = open(folder.path());
  EXPECT_EQ(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
}

TEST(Huggingface, DemoModelOpensWithItsTokenizer) {
  const auto checkpoint = open(SOURCE_DIR "/models/demo");
  expect_complete(*checkpoint);
  ASSERT_NE(checkpoint->tokenizer(), nullptr);
  EXPECT_STREQ(checkpoint->tokenizer(), SOURCE_DIR "/models/demo");
  EXPECT_EQ(open(golden("plain").model)->tokenizer(), nullptr);
}

TEST(Huggingface, FilesStandForTheirFolder) {
  const ModelFolder plain;
  EXPECT_EQ(open(plain.path("model.safetensors"))->config().C, 48);
  EXPECT_EQ(open(plain.path("config.json"))->config().C, 48);
  std::filesystem::rename(plain.path("model.safetensors"), plain.path("other.safetensors"));
  EXPECT_EQ(open(plain.path("other.safetensors"))->config().C, 48);
  const ModelFolder sharded("bf16-sharded");
  EXPECT_EQ(open(sharded.path("model.safetensors.index.json"))->config().C, 24);
}

TEST(Huggingface, ProbeKnowsItsOwn) {
  const auto loader = make_plugin<Loader>(Kind::loader, "huggingface");
  const ModelFolder folder;
  const int whole = loader->probe(folder.path().c_str());
  EXPECT_GT(whole, 0);
  EXPECT_GT(loader->probe(folder.path("model.safetensors").c_str()), 0);
  EXPECT_EQ(loader->probe("synthetic:124M"), 0);
  EXPECT_EQ(loader->probe("model.bin"), 0);
  folder.remove("config.json");
  EXPECT_LT(loader->probe(folder.path().c_str()), whole);
}

TEST(Huggingface, AbsentSettingsHaveTheirDefaults) {
  const ModelFolder folder;
  folder.edit_json("config.json", [](Json& config) {
    for (const char* key : {"layer_norm_epsilon", "eos_token_id", "activation_function", "n_positions",
                            "tie_word_embeddings", "architectures"}) {
      config.erase(key);
    }
  });
  const auto checkpoint = open(folder.path());
  const ModelConfig& m = checkpoint->config();
  EXPECT_EQ(m.epsilon, 1e-5f);
  EXPECT_EQ(m.end_of_text, -1);
  EXPECT_EQ(m.T, 11);
  EXPECT_EQ(m.activation, Activation::gelu_tanh);
  EXPECT_FALSE(m.scale_by_layer);
}

TEST(Huggingface, EpsilonAndEndOfTextAreHonoured) {
  const ModelFolder folder;
  folder.set("layer_norm_epsilon", 0.125);
  folder.set("eos_token_id", Json::array({1, 2}));
  const auto checkpoint = open(folder.path());
  EXPECT_EQ(checkpoint->config().epsilon, 0.125f);
  EXPECT_EQ(checkpoint->config().end_of_text, 1);
}

TEST(Huggingface, ActivationsHaveTheNamesOfTransformers) {
  const std::pair<const char*, Activation> names[] = {{"gelu_new", Activation::gelu_tanh},
                                                      {"gelu_fast", Activation::gelu_tanh},
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
    EXPECT_EQ(open(folder.path())->config().activation, activation) << name;
  }
}

TEST(Huggingface, ScoresScaledByTheLayerAreHonoured) {
  const ModelFolder folder;
  folder.set("scale_attn_by_inverse_layer_idx", true);
  EXPECT_TRUE(open(folder.path())->config().scale_by_layer);
}

TEST(Huggingface, NeutralSettingsAreAccepted) {
  const ModelFolder folder;
  folder.set("scale_attn_weights", true);
  folder.set("scale_attn_by_inverse_layer_idx", false);
  folder.set("reorder_and_upcast_attn", true);
  folder.set("quantization_config", nullptr);
  folder.set("pruned_heads", Json::object());
  folder.set("summary_type", "cls_index");
  EXPECT_EQ(open(folder.path())->config().L, 2);
}

TEST(Huggingface, UnknownTensorsAreLoggedAndMasksAreNot) {
  const ModelFolder folder;
  PluginLog::instance().take();
  open(folder.path());
  EXPECT_TRUE(PluginLog::instance().take().empty());
  folder.edit_header([](Json& header) {
    header["transformer.h.0.attn.extra"] = header["transformer.h.0.attn.masked_bias"];
    header.erase("transformer.h.0.attn.masked_bias");
  });
  open(folder.path());
  const auto log = PluginLog::instance().take();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_NE(log[0].find("\"h.0.attn.extra\""), std::string::npos) << log[0];
}

TEST(Huggingface, ThreadsSeeTheSameTensors) {
  const Golden plain = golden("plain");
  const auto checkpoint = open(plain.model);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { expect_checksums(*checkpoint, plain.checksums); });
}

}  // namespace
}  // namespace gpt2run::test
