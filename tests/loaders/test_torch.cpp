// The loader `torch` on good files: those that PyTorch wrote give PyTorch's logits, and every form gives the weights of
// the same model in safetensors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "loaders/model_folder.hpp"
#include "loaders/same_model.hpp"
#include "loaders/torch_writer.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

const std::string kAdder = SOURCE_DIR "/../shared/data/adder/model.pt";

int score(const char* loader, const std::string& path) {
  return make_plugin<Loader>(Kind::loader, loader)->probe(path.c_str());
}

std::vector<float> last_logits(const Checkpoint& model, const std::vector<int32_t>& tokens) {
  const auto precision = make_plugin<Precision>(Kind::precision, "reference");
  const auto count = static_cast<int32_t>(tokens.size());
  const auto session = precision->open(
      model,
      {.slots = 1, .context = count, .rows = count, .logit_rows = 1, .threads = 1, .device = 0, .keep_raw = false});
  session->start(0, {0, 0, 0, 0, 0, 0});
  std::vector<Row> rows;
  for (int32_t i = 0; i < count; ++i) rows.push_back({0, tokens[i], i + 1 == count});
  const LogitBatch batch = session->step(rows);
  return {batch.logits, batch.logits + batch.vocab};
}

TEST(TorchGolden, FilesOfPyTorchGiveItsLogits) {
  const Json expected = Json::parse(read_whole(kTorchGoldens + "expected.json"));
  const std::vector<int32_t> tokens = expected["tokens"];
  int compared = 0;
  for (const auto& [name, values] : expected["logits"].items()) {
    SCOPED_TRACE(name);
    const auto model = open_with("torch", kTorchGoldens + name,
                                 {{"heads", name == "mingpt.pt" ? "3" : "0"}, {"activation", "gelu_tanh"}});
    expect_complete(*model);
    const std::vector<float> logits = last_logits(*model, tokens);
    ASSERT_EQ(logits.size(), values.size());
    for (size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(logits[i], values[i].get<double>(), 3e-6);
    ++compared;
  }
  EXPECT_EQ(compared, 5);
}

TEST(TorchGolden, SizesAndTypesAreThoseOfTheFile) {
  const auto nanogpt = open_with("torch", kTorchGoldens + "nanogpt.pt"),
             views = open_with("torch", kTorchGoldens + "views.pt"),
             dataclass = open_with("torch", kTorchGoldens + "dataclass.pt"),
             transformers = open_with("torch", kTorchGoldens + "transformers");
  const ModelConfig& m = nanogpt->config();
  EXPECT_EQ(m.L, 2);
  EXPECT_EQ(m.H, 3);
  EXPECT_EQ(m.C, 12);
  EXPECT_EQ(m.F, 48);
  EXPECT_EQ(m.V, 7);
  EXPECT_EQ(m.T, 6);
  EXPECT_EQ(m.end_of_text, -1);
  EXPECT_EQ(m.epsilon, 1e-5f);
  EXPECT_TRUE(m.tied_head);
  EXPECT_FALSE(views->config().tied_head);
  EXPECT_EQ(views->config().F, 20);
  EXPECT_EQ(nanogpt->tensor(Weight::qkv_w, 1).type, Type::bf16);
  EXPECT_EQ(views->tensor(Weight::qkv_w, 1).type, Type::f64);
  EXPECT_EQ(dataclass->tensor(Weight::qkv_w, 1).type, Type::f16);
  EXPECT_EQ(transformers->tensor(Weight::qkv_w, 1).type, Type::f32);
}

// nanoGPT has nn.GELU, minGPT and transformers its tanh form. The file does not say.
TEST(TorchGolden, TheGeluIsThatOfTheProgramThatWroteTheFile) {
  EXPECT_EQ(open_with("torch", kTorchGoldens + "nanogpt.pt")->config().activation, Activation::gelu_erf);
  EXPECT_EQ(open_with("torch", kTorchGoldens + "nanogpt.pt", {{"activation", "gelu_tanh"}})->config().activation,
            Activation::gelu_tanh);
  EXPECT_EQ(open_with("torch", kTorchGoldens + "dataclass.pt")->config().activation, Activation::gelu_tanh);
  EXPECT_EQ(open_with("torch", kTorchGoldens + "transformers", {{"activation", "gelu_erf"}})->config().activation,
            Activation::gelu_erf);
}

// A folder with config.json and the weights of the golden model "plain" in a form of torch.save.
class TorchFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_.remove("model.safetensors");
    expected_ = open_huggingface(whole_.path());
  }
  TorchContent content(const TorchStyle& style = {}) const { return content_of(*expected_, style); }
  void expect_same_as_safetensors(const std::string& bytes) const {
    folder_.write("pytorch_model.bin", bytes);
    expect_same(*open_with("torch", folder_.path()), *expected_);
  }

  const ModelFolder whole_, folder_;
  std::unique_ptr<Checkpoint> expected_;
};

TEST_F(TorchFolder, EveryFormIsTheSameModel) {
  const TorchContent conv1d = content();
  expect_same_as_safetensors(conv1d.archive());
  expect_same_as_safetensors(conv1d.archive(Pickler().state_dict(conv1d.tensors).done(), {}, true));
  expect_same_as_safetensors(conv1d.series());
  const TorchContent linear = content({.linear = true});
  expect_same_as_safetensors(linear.archive());
  expect_same_as_safetensors(linear.series());
}

TEST_F(TorchFolder, EveryPrefixIsTheSameModel) {
  const std::pair<const char*, const char*> prefixes[] = {
      {"", ""}, {"_orig_mod.transformer.", "_orig_mod."}, {"module.", "module."}, {"a.b.transformer.", "a.b."}};
  for (const auto& [body, head] : prefixes) expect_same_as_safetensors(content({.body = body, .head = head}).archive());
}

TEST_F(TorchFolder, StridesOffsetsAndSharedStoragesAreHonoured) {
  expect_same_as_safetensors(content({.one_storage = true}).archive());
  expect_same_as_safetensors(content({.linear = true, .one_storage = true}).series());
}

TEST_F(TorchFolder, TheHeadIsTiedByItsStorageOrItsValues) {
  expect_same_as_safetensors(content({.head_stored = false}).archive());
  TorchContent copy = content();
  copy.tensors.back().key = "copy";
  copy.storages.emplace_back("copy", copy.storages.front().second);
  expect_same_as_safetensors(copy.archive());
  copy.storages.back().second[5] ^= 1;
  folder_.write("pytorch_model.bin", copy.archive());
  EXPECT_FALSE(open_with("torch", folder_.path())->config().tied_head);
}

TEST_F(TorchFolder, AModelMayBeStoredWithItsHeadAlone) {
  TorchContent content = this->content();
  content.tensors.erase(content.tensors.begin());
  expect_same_as_safetensors(content.archive());
}

TEST_F(TorchFolder, ShardsAreOneModel) {
  TorchContent first = content(), second = first;
  const size_t half = first.tensors.size() / 2;
  second.tensors.assign(first.tensors.begin() + half, first.tensors.end() - 1);  // without the tied head
  first.tensors.resize(half);
  std::erase_if(second.storages, [&](const auto& storage) {
    return std::none_of(second.tensors.begin(), second.tensors.end(),
                        [&](const WrittenTensor& t) { return t.key == storage.first; });
  });
  folder_.write("pytorch_model-00001-of-00002.bin", first.archive());
  folder_.write("pytorch_model-00002-of-00002.bin", second.series());
  Json index;
  for (const auto& t : first.tensors) index["weight_map"][t.name] = "pytorch_model-00001-of-00002.bin";
  for (const auto& t : second.tensors) index["weight_map"][t.name] = "pytorch_model-00002-of-00002.bin";
  folder_.write("pytorch_model.bin.index.json", index.dump());
  for (const char* file : {"", "config.json", "pytorch_model.bin.index.json", "pytorch_model-00002-of-00002.bin"})
    expect_same(*open_with("torch", folder_.path(file)), *expected_);
}

TEST_F(TorchFolder, WithoutBiasesTheyAreZeros) {
  folder_.write("pytorch_model.bin", content({.linear = true, .biases = false}).archive());
  const auto model = open_with("torch", folder_.path());
  expect_complete(*model);
  for (const Weight weight : {Weight::ln1_b, Weight::qkv_b, Weight::up_b, Weight::down_b, Weight::lnf_b}) {
    const Tensor t = model->tensor(weight, 0);
    for (int64_t i = 0; i < t.rows; ++i) EXPECT_EQ(value_at(t, i, 0), 0.f);
  }
  EXPECT_EQ(value_at(model->tensor(Weight::ln2_w, 1), 3, 0), value_at(expected_->tensor(Weight::ln2_w, 1), 3, 0));
  EXPECT_FALSE(std::isnan(logits_of(*model)[0]));
}

TEST_F(TorchFolder, MasksAreIgnoredSilently) {
  TorchContent content = this->content();
  content.tensors.push_back({"transformer.h.0.attn.bias", "BoolStorage", "mask", 4, 0, {1, 1, 2, 2}, {4, 4, 2, 1}});
  content.storages.emplace_back("mask", std::string(4, '\1'));
  PluginLog::instance().take();
  expect_same_as_safetensors(content.archive());
  EXPECT_TRUE(PluginLog::instance().take().empty());
}

// What nothing reads may hold anything: the storage of an optimizer's tensor is not even there.
TEST_F(TorchFolder, TheStateOfAnOptimizerIsNotRead) {
  const TorchContent content = this->content();
  Pickler pickle;
  pickle.op("}(").text("optimizer").tensor({"", "FloatStorage", "gone", 1 << 30, 0, {1 << 30}, {1}});
  pickle.text("model").state_dict(content.tensors).op("u");
  expect_same_as_safetensors(content.archive(pickle.done()));
}

TEST_F(TorchFolder, NumbersOfNumpyAndSettingsAreRead) {
  const TorchContent content = this->content({.linear = true});
  Pickler pickle;
  pickle.op("}(").text("loss").global("numpy.core.multiarray", "scalar").op("(").global("numpy", "dtype").op("(");
  pickle.text("f8").op("\x89\x88tR").global("_codecs", "encode").op("(").text("12345678");
  pickle.text("latin1").op("tRtR").text("args").global("argparse", "Namespace").op(")\x81}(").text("lr").op("G");
  pickle.op(raw(0.5)).op("ub").text("model").state_dict(content.tensors).op("u");
  expect_same_as_safetensors(content.archive(pickle.done()));
}

// Such as a trainer keeps beside the weights.
TEST_F(TorchFolder, PlainObjectsOfPythonAreSkipped) {
  const TorchContent content = this->content();
  Pickler pickle;
  pickle.op("}(").text("done").global("__builtin__", "set").op("(]tR");
  pickle.text("out").global("pathlib", "PosixPath").op("(").text("/").text("out").op("tR");
  pickle.text("counts").global("collections", "defaultdict").op("(").global("__builtin__", "list").op("tR(");
  pickle.text("a").op("]u").text("model").state_dict(content.tensors).op("u");
  expect_same_as_safetensors(content.archive(pickle.done()));
}

class TorchAlone : public TorchFolder {
 protected:
  void SetUp() override {
    whole_.set("eos_token_id", nullptr);  // a checkpoint alone names no end of text
    TorchFolder::SetUp();
    folder_.remove("config.json");
    folder_.write("ckpt.pt", content({.linear = true}).archive());
  }
};

TEST_F(TorchAlone, OnlyTheHeadsMustBeTold) {
  expect_same(*open_with("torch", folder_.path("ckpt.pt"), {{"heads", "3"}}), *expected_);
  expect_same(*open_with("torch", folder_.path(), {{"heads", "3"}}), *expected_);
}

TEST_F(TorchAlone, TheConfigurationOfMingptTellsTheHeads) {
  folder_.write("config.json", R"({"system": {}, "model": {"model_type": null, "n_layer": 2, "n_head": 3}})");
  expect_same(*open_with("torch", folder_.path()), *expected_);
  folder_.write("config.json", R"({"model": {"model_type": "gpt-nano", "n_layer": null, "n_head": null}})");
  expect_same(*open_with("torch", folder_.path()), *expected_);
}

TEST_F(TorchAlone, TheFileOfAFolderMayHaveAnyName) {
  std::filesystem::rename(folder_.path("ckpt.pt"), folder_.path("epoch12.weights"));
  folder_.write("optimizer.pt", "x");
  expect_same(*open_with("torch", folder_.path(), {{"heads", "3"}}), *expected_);
  EXPECT_GT(score("torch", folder_.path()), score("huggingface", folder_.path()));
}

TEST_F(TorchFolder, ProbeKnowsItsOwn) {
  const std::string archive = content().archive(), series = content().series();
  for (const std::string& bytes : {archive, series}) {
    folder_.write("pytorch_model.bin", bytes);
    folder_.write("weights", bytes);
    EXPECT_GT(score("torch", folder_.path("weights")), 0);
    for (const char* file : {"", "config.json", "pytorch_model.bin"}) {
      EXPECT_GT(score("torch", folder_.path(file)), score("huggingface", folder_.path(file))) << file;
    }
  }
  std::filesystem::copy(whole_.path("model.safetensors"), folder_.path("model.safetensors"));
  for (const char* file : {"", "config.json", "model.safetensors"})
    EXPECT_LT(score("torch", folder_.path(file)), score("huggingface", folder_.path(file))) << file;
  EXPECT_EQ(score("torch", whole_.path()), 0);
  EXPECT_EQ(score("torch", "synthetic:124M"), 0);
  folder_.write("other.zip", zip_of({{"word/document.xml", "x"}}));
  EXPECT_EQ(score("torch", folder_.path("other.zip")), 0);
}

// It was trained to write the sum of two numbers of two digits backwards.
TEST(TorchAdder, AllSumsAreRight) {
  if (!std::filesystem::exists(kAdder)) GTEST_SKIP() << kAdder << " is not there";
  const auto model = open_with("torch", kAdder, {{"heads", "3"}});
  const auto precision = make_plugin<Precision>(Kind::precision, "cpu-fp32");
  const auto session = precision->open(
      *model, {.slots = 1, .context = 6, .rows = 6, .logit_rows = 3, .threads = 1, .device = 0, .keep_raw = false});
  int right = 0;
  for (int a = 0; a < 100; ++a)
    for (int b = 0; b < 100; ++b) {
      const int sum[3] = {(a + b) % 10, (a + b) / 10 % 10, (a + b) / 100};
      session->start(0, {0, 0, 0, 0, 0, 0});
      const Row rows[] = {{0, a / 10, false}, {0, a % 10, false}, {0, b / 10, false},
                          {0, b % 10, true},  {0, sum[0], true},  {0, sum[1], true}};
      const LogitBatch batch = session->step(rows);
      bool same = true;
      for (int i = 0; i < 3; ++i) {
        const float* logits = batch.logits + i * batch.stride;
        same = same && std::max_element(logits, logits + batch.vocab) - logits == sum[i];
      }
      right += same;
    }
  EXPECT_EQ(right, 10000);
}

}  // namespace
}  // namespace gpt2run::test
