// The loader `huggingface` on good files: every weight as numpy wrote it, in every layout that transformers writes.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "loaders/model_folder.hpp"
#include "loaders/same_model.hpp"
#include "support/error_of.hpp"
#include "support/golden.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {
namespace {

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
    const auto checkpoint = open_huggingface(golden.model);
    expect_complete(*checkpoint);
    expect_checksums(*checkpoint, golden.checksums);
    ++compared;
  }
  EXPECT_EQ(compared, 8);
}

TEST(Huggingface, TypesAreThoseOfTheFile) {
  expect_types(*open_huggingface(golden("plain").model), Type::f32);
  expect_types(*open_huggingface(golden("bf16-sharded").model), Type::bf16);
  expect_types(*open_huggingface(golden("f16").model), Type::f16);
}

TEST(Huggingface, SettingsAreThoseOfTheFile) {
  const auto checkpoint = open_huggingface(golden("plain").model);
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
  const auto checkpoint = open_huggingface(golden("plain").model);
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
  const auto checkpoint = open_huggingface(golden("plain").model);
  EXPECT_EQ(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
}

TEST(Huggingface, StoredHeadIsUsed) {
  const auto checkpoint = open_huggingface(golden("separate-head").model);
  EXPECT_NE(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
}

TEST(Huggingface, StoredHeadThatDiffersIsUsedEvenWhenTied) {
  const ModelFolder folder("separate-head");
  folder.set("tie_word_embeddings", true);
  PluginLog::instance().take();
  const auto checkpoint = open_huggingface(folder.path());
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
  const auto checkpoint = open_huggingface(folder.path());
  EXPECT_EQ(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
}

TEST(Huggingface, DemoModelOpensWithItsTokenizer) {
  const auto checkpoint = open_huggingface(SOURCE_DIR "/models/demo");
  expect_complete(*checkpoint);
  ASSERT_NE(checkpoint->tokenizer(), nullptr);
  EXPECT_STREQ(checkpoint->tokenizer(), SOURCE_DIR "/models/demo");
  EXPECT_EQ(open_huggingface(golden("plain").model)->tokenizer(), nullptr);
}

TEST(Huggingface, FilesStandForTheirFolder) {
  const ModelFolder plain;
  EXPECT_EQ(open_huggingface(plain.path("model.safetensors"))->config().C, 48);
  EXPECT_EQ(open_huggingface(plain.path("config.json"))->config().C, 48);
  std::filesystem::rename(plain.path("model.safetensors"), plain.path("other.safetensors"));
  EXPECT_EQ(open_huggingface(plain.path("other.safetensors"))->config().C, 48);
  const ModelFolder sharded("bf16-sharded");
  EXPECT_EQ(open_huggingface(sharded.path("model.safetensors.index.json"))->config().C, 24);
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

TEST(Huggingface, UnknownTensorsAreLoggedAndMasksAreNot) {
  const ModelFolder folder;
  PluginLog::instance().take();
  open_huggingface(folder.path());
  EXPECT_TRUE(PluginLog::instance().take().empty());
  folder.edit_header([](Json& header) {
    header["transformer.h.0.attn.extra"] = header["transformer.h.0.attn.masked_bias"];
    header.erase("transformer.h.0.attn.masked_bias");
  });
  open_huggingface(folder.path());
  const auto log = PluginLog::instance().take();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_NE(log[0].find("\"h.0.attn.extra\""), std::string::npos) << log[0];
}

using Tensors = std::map<std::string, TensorBytes>;

// Gives the tensors of model.safetensors other names.
void rename(const ModelFolder& folder, const std::function<std::string(const std::string&)>& renamed) {
  folder.edit_tensors([&](Tensors& tensors) {
    Tensors changed;
    for (const auto& [name, tensor] : tensors) changed[renamed(name)] = tensor;
    tensors = changed;
  });
}

TEST(Huggingface, EveryPrefixIsTheSameModel) {
  const ModelFolder plain, body;
  const auto expected = open_huggingface(plain.path());
  for (const std::string prefix : {"_orig_mod.", "module.", "a.b."}) {
    const ModelFolder folder;
    rename(folder, [&](const std::string& name) { return prefix + name; });
    expect_same(*open_huggingface(folder.path()), *expected);
  }
  rename(body, [](const std::string& name) { return name.substr(name.starts_with("transformer.") ? 12 : 0); });
  expect_same(*open_huggingface(body.path()), *expected);
}

// save_model() of safetensors writes tied weights once, under either name, and tells the other in the metadata.
TEST(Huggingface, ATiedModelMayBeStoredWithItsHeadAlone) {
  const ModelFolder plain, folder, untied;
  const auto expected = open_huggingface(plain.path());
  const auto to_head = [](const std::string& name) {
    return name == "transformer.wte.weight" ? "lm_head.weight" : name;
  };
  rename(folder, to_head);
  expect_same(*open_huggingface(folder.path()), *expected);
  rename(untied, to_head);
  untied.set("tie_word_embeddings", false);
  EXPECT_NE(error_of([&] { open_huggingface(untied.path()); }).find("\"wte.weight\""), std::string::npos);
  untied.edit_header([](Json& header) { header["__metadata__"]["transformer.wte.weight"] = "lm_head.weight"; });
  expect_same(*open_huggingface(untied.path()), *expected);
}

TEST(Huggingface, TheLayoutOfLinearIsReadAndLogged) {
  const ModelFolder plain, folder;
  folder.edit_tensors([](Tensors& tensors) {
    for (auto& [name, tensor] : tensors) {
      if (!name.ends_with("c_attn.weight") && !name.ends_with("c_proj.weight") && !name.ends_with("c_fc.weight"))
        continue;
      std::string turned;
      for (int64_t col = 0; col < tensor.shape[1]; ++col)
        for (int64_t row = 0; row < tensor.shape[0]; ++row)
          turned += tensor.data.substr(4 * static_cast<size_t>(row * tensor.shape[1] + col), 4);
      tensor.data = turned;
      std::swap(tensor.shape[0], tensor.shape[1]);
    }
  });
  PluginLog::instance().take();
  expect_same(*open_huggingface(folder.path()), *open_huggingface(plain.path()));
  const auto log = PluginLog::instance().take();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_NE(log[0].find("nn.Linear"), std::string::npos) << log[0];
}

TEST(Huggingface, WithoutBiasesTheyAreZeros) {
  const auto leave_out = [](const ModelFolder& folder, const std::function<bool(const std::string&)>& is_left_out) {
    folder.edit_tensors([&](Tensors& tensors) {
      std::erase_if(tensors, [&](const auto& tensor) {
        return tensor.first.ends_with(".bias") && !tensor.first.ends_with(".attn.bias") && is_left_out(tensor.first);
      });
    });
  };
  const ModelFolder none, linear_only, one;
  leave_out(none, [](const std::string&) { return true; });
  const auto without = open_huggingface(none.path());
  expect_complete(*without);
  EXPECT_EQ(value_at(without->tensor(Weight::qkv_b, 1), 100, 0), 0.f);
  EXPECT_EQ(value_at(without->tensor(Weight::lnf_b, 0), 47, 0), 0.f);
  leave_out(linear_only, [](const std::string& name) { return name.find("ln_") != name.npos; });
  const auto without_norms = open_huggingface(linear_only.path());
  EXPECT_EQ(value_at(without_norms->tensor(Weight::ln1_b, 0), 5, 0), 0.f);
  EXPECT_NE(value_at(without_norms->tensor(Weight::up_b, 0), 5, 0), 0.f);
  leave_out(one, [](const std::string& name) { return name.ends_with("h.1.mlp.c_fc.bias"); });
  EXPECT_NE(error_of([&] { open_huggingface(one.path()); }).find("\"h.1.mlp.c_fc.bias\""), std::string::npos);
}

TEST(Huggingface, Fp64IsRead) {
  const ModelFolder plain, folder;
  folder.edit_tensors([](Tensors& tensors) {
    for (auto& [name, tensor] : tensors) {
      std::string wide;
      for (size_t at = 0; tensor.dtype == "F32" && at < tensor.data.size(); at += 4) {
        float value;
        std::memcpy(&value, tensor.data.data() + at, sizeof value);
        const double widened = value;
        wide.append(reinterpret_cast<const char*>(&widened), sizeof widened);
      }
      if (tensor.dtype == "F32") tensor = {"F64", tensor.shape, wide};
    }
  });
  const auto model = open_huggingface(folder.path()), expected = open_huggingface(plain.path());
  expect_types(*model, Type::f64);
  for_each_weight(model->config(), [&](Weight weight, int layer) {
    const Tensor wide = model->tensor(weight, layer), narrow = expected->tensor(weight, layer);
    for (int64_t row = 0; row < wide.rows; ++row)
      for (int64_t col = 0; col < wide.cols; ++col)
        ASSERT_EQ(at(wide, row, col), at(narrow, row, col)) << name_of(weight) << layer;
  });
  for (const char* precision : {"reference", "cpu-fp32", "cpu-bf16"})
    EXPECT_EQ(logits_of(*model, precision), logits_of(*expected, precision)) << precision;
}

TEST(Huggingface, AShardStandsForItsIndex) {
  const ModelFolder sharded("bf16-sharded");
  PluginLog::instance().take();
  expect_same(*open_huggingface(sharded.path("model-00002-of-00003.safetensors")), *open_huggingface(sharded.path()));
  const auto log = PluginLog::instance().take();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_NE(log[0].find("model.safetensors.index.json"), std::string::npos) << log[0];
}

TEST(Huggingface, TheOnlyFileOfAFolderMayHaveAnyName) {
  const ModelFolder plain, sharded("bf16-sharded");
  const auto expected = open_huggingface(plain.path());
  std::filesystem::rename(plain.path("model.safetensors"), plain.path("epoch3.safetensors"));
  expect_same(*open_huggingface(plain.path()), *expected);
  const auto whole = open_huggingface(sharded.path());
  const auto rename_file = [&](const std::string& from, const std::string& to) {
    std::filesystem::rename(sharded.path(from), sharded.path(to));
  };
  sharded.edit_json("model.safetensors.index.json", [](Json& index) {
    for (auto& [name, file] : index["weight_map"].items()) file = "other" + file.get<std::string>().substr(5);
  });
  rename_file("model.safetensors.index.json", "other.safetensors.index.json");
  for (const char* end : {"-00001-of-00003.safetensors", "-00002-of-00003.safetensors", "-00003-of-00003.safetensors"})
    rename_file(std::string("model") + end, std::string("other") + end);
  expect_same(*open_huggingface(sharded.path()), *whole);
}

TEST(Huggingface, ThreadsSeeTheSameTensors) {
  const Golden plain = golden("plain");
  const auto checkpoint = open_huggingface(plain.model);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { expect_checksums(*checkpoint, plain.checksums); });
}

}  // namespace
}  // namespace gpt2run::test
