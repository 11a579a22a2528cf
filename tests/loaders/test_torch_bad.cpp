// The loader `torch` on files that are wrong, made to do harm, or something else: one line that names the file and says
// what was found.
#include <gtest/gtest.h>

#include <random>

#include "loaders/model_folder.hpp"
#include "loaders/torch_writer.hpp"
#include "loaders/weights.hpp"
#include "support/error_of.hpp"
#include "support/memory_file.hpp"
#include "support/messages.hpp"
#include "support/plugin.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

constexpr const char* kFile = "pytorch_model.bin";

// The sum of zip archives, bit by bit.
uint32_t crc32(std::string_view bytes) {
  uint32_t sum = ~0u;
  for (const char byte : bytes) {
    sum ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0u);
  }
  return ~sum;
}

// A folder with the config.json of the golden model "plain", and its weights to write and to spoil.
class TorchBad : public testing::Test {
 protected:
  void SetUp() override {
    content_ = content_of(*open_huggingface(folder_.path()));
    folder_.remove("model.safetensors");
  }
  void expect_refused(const std::string& bytes, Words words, const std::string& file = kFile) {
    folder_.write(file, bytes);
    words.push_back(folder_.path(file).string() + ":");
    EXPECT_THAT(error_of([&] { open_with("torch", folder_.path(file)); }), IsMessage(words));
  }
  std::string archive_of(const std::string& pickle) const { return content_.archive(pickle); }
  // The tensor of this number is changed by `edit`.
  void expect_tensor_refused(const std::function<void(WrittenTensor&)>& edit, const Words& words) {
    TorchContent changed = content_;
    edit(changed.tensors[0]);
    expect_refused(changed.archive(), words);
    expect_refused(changed.series(), words);
  }

  const ModelFolder folder_;
  TorchContent content_;
};

TEST_F(TorchBad, FilesOfAnotherKindAreNamed) {
  expect_refused("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548105171\n",
                 {"Git", "LFS", "548105171", "git lfs pull"});
  expect_refused("\n<!DOCTYPE html>\n<html></html>", {"web page"});
  expect_refused(read_whole(SOURCE_DIR "/tests/golden/models/plain/model.safetensors"), {"safetensors"});
  expect_refused("GGUF\3", {"GGUF"});
  expect_refused("\x1f\x8b" + std::string(10, 'x'), {"gzip"});
  expect_refused(std::string(257, 'a') + "ustar" + std::string(300, '\0'), {"tar"});
  expect_refused("hello, world", {"torch.save", "\"hello, w\""});
  expect_refused("", {"empty"});
  expect_refused(Pickler().integer(7).done(), {"torch.save", "pickle"});
  expect_refused(zip_of({{"model/x", "y"}}), {"zip", "data.pkl"});
}

TEST_F(TorchBad, ATorchscriptProgramIsNamed) {
  const std::string pickle = Pickler().state_dict(content_.tensors).done();
  expect_refused(content_.archive(pickle, {{"model/constants.pkl", "x"}, {"model/code/x.py", "y", 8}}),
                 {"TorchScript", "module.state_dict"});
}

TEST_F(TorchBad, BigEndianFilesAreRefused) {
  const std::string pickle = Pickler().state_dict(content_.tensors).done();
  expect_refused(content_.archive(pickle, {{"model/byteorder", "big"}}), {"byteorder", "\"big\""});
  expect_refused(content_.series(pickle, false), {"little_endian", "True", "False"});
}

TEST_F(TorchBad, FilesWithoutWeightsSayWhatTheyHave) {
  const auto dict = [&](const char* key) { return archive_of(Pickler().op("}(").text(key).op("}u").done()); };
  expect_refused(dict("optimizer"), {"optimizer", "\"optimizer\"", "another file"});
  expect_refused(archive_of(Pickler().op("}(").text("state").op("}").text("param_groups").op("]u").done()),
                 {"optimizer", "\"state\"", "\"param_groups\""});
  expect_refused(dict("scheduler"), {"\"scheduler\""});
  expect_refused(archive_of(Pickler().op("}").done()), {"empty dictionary"});
  expect_refused(archive_of(Pickler().text("x").done()), {"text"});
}

TEST_F(TorchBad, WeightsUnderAnotherKeyAreFound) {
  const auto under = [&](const std::vector<const char*>& keys) {
    Pickler pickler;
    for (const char* key : keys) pickler.op("}(").text(key);
    pickler.state_dict(content_.tensors);
    for (size_t i = 0; i < keys.size(); ++i) pickler.op("u");
    return archive_of(pickler.done());
  };
  expect_refused(under({"net"}), {"[\"net\"]", "torch.save(checkpoint[\"net\"]"});
  expect_refused(under({"trainer", "net"}), {"torch.save(checkpoint[\"trainer\"][\"net\"]"});
  expect_refused(under({"a", "b", "c"}), {"keys", "\"a\""});
}

TEST_F(TorchBad, ArraysOfNumpyAreNamed) {
  for (const char* module : {"numpy.core.multiarray", "numpy._core.multiarray"})
    expect_refused(archive_of(Pickler().op("}(").text("wte.weight").global(module, "_reconstruct").op("u").done()),
                   {"numpy", "torch.from_numpy"});
}

// The sum of data.pkl in the directory of an archive.
TEST_F(TorchBad, ADamagedPickleIsTold) {
  const std::string pickle = Pickler().state_dict(content_.tensors).done();
  const auto with_sum = [&](uint32_t sum) {
    std::string bytes = content_.archive(pickle);
    const size_t entry = bytes.find("PK\x01\x02");
    bytes.replace(entry + 16, 4, raw(sum));
    return bytes;
  };
  expect_refused(with_sum(7), {"\"data.pkl\"", "CRC", "damaged"});
  folder_.write(kFile, with_sum(crc32(pickle)));
  EXPECT_EQ(error_of([&] { open_with("torch", folder_.path(kFile)); }), "no error");
}

// PyTorch writes a sum for each storage. It is checked on request only, because that reads the whole file.
TEST_F(TorchBad, DamagedWeightsAreToldWhereTheirSumsAreChecked) {
  std::string bytes = read_whole(kTorchGoldens + "views.pt");
  const std::string path = folder_.path("views.pt");
  folder_.write("views.pt", bytes);
  open_with("torch", path, {{"check_sums", "on"}});
  const size_t name = bytes.find("views/data/0");
  ASSERT_NE(name, bytes.npos);
  const auto length = [&](size_t at) { return size_t{static_cast<uint8_t>(bytes[at])}; };
  bytes[name + length(name - 4) + length(name - 2) + 100] ^= 1;  // behind the name and the extra field of the record
  folder_.write("views.pt", bytes);
  open_with("torch", path);
  EXPECT_THAT(error_of([&] {
                open_with("torch", path, {{"check_sums", "on"}});
              }),
              IsMessage(Words{path + ":", "\"data/0\"", "CRC", "damaged"}));
}

TEST_F(TorchBad, AFileWithoutSumsIsNotCalledChecked) {
  PluginLog::instance().take();
  open_with("torch", kTorchGoldens + "mingpt.pt", {{"heads", "3"}, {"check_sums", "on"}});
  const std::vector<std::string> lines = PluginLog::instance().take();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("check_sums"), std::string::npos) << lines[0];
}

TEST_F(TorchBad, NothingIsImportedOrCalled) {
  const auto call = [&](const std::string& module, const std::string& name) {
    return archive_of(Pickler().global(module, name).op("(").text("id").op("tR").done());
  };
  expect_refused(call("os", "system"), {"\"os.system\"", "model.state_dict"});
  expect_refused(call("builtins", "eval"), {"\"builtins.eval\""});
  expect_refused(call("torch", "load"), {"\"torch.load\""});
  expect_refused(call("transformers.models.gpt2.modeling_gpt2", "GPT2LMHeadModel"), {"model.state_dict"});
  expect_refused(call("torch._utils", "_rebuild_qtensor"), {"\"_rebuild_qtensor\"", "model.float"});
  expect_refused(archive_of(Pickler().text("os").text("system").op("\x93").done()), {"\"os.system\""});
  expect_refused(archive_of(Pickler().op("(S'id'\nios\nsystem\n").done()), {"STRING"});
  expect_refused(archive_of(Pickler().op("(ios\nsystem\n").done()), {"INST"});
  expect_refused(archive_of(Pickler().op("}\x32").done()), {"DUP"});
  expect_refused(archive_of(Pickler().op("\x82\x01").done()), {"EXT1"});
  expect_refused(archive_of(Pickler().op("\xff").done()), {"255"});
}

TEST_F(TorchBad, PicklesAreBounded) {
  expect_refused(archive_of("\x80\x02" + std::string(2000, '(') + "."), {"1000"});
  expect_refused(archive_of("\x80\x02" + std::string(5'000'000, 'N') + "."), {"4194304"});
  expect_refused(archive_of("\x80\x02Nr" + raw<uint32_t>(1 << 30) + "."), {"memo", "1073741824"});
  expect_refused(archive_of("\x80\x02X" + raw<uint32_t>(1 << 30) + "."), {"1073741824"});
  expect_refused(archive_of("\x80\x02\x8d" + raw<uint64_t>(UINT64_MAX) + "."), {"18446744073709551615"});
  expect_refused(archive_of("\x80\x02h\x07."), {"memo", "7"});
  expect_refused(archive_of("\x80\x02t."), {"mark"});
  expect_refused(archive_of("\x80\x02."), {"stack"});
  expect_refused(archive_of("\x80\x02(N\x85."), {"weights", "list"});
  expect_refused(archive_of("\x80\x02(\x85."), {"stack"});
  expect_refused(archive_of("\x80\x02]NNs."), {"dict", "list"});
  expect_refused(archive_of("\x80\x02}(Nu."), {"keys"});
  // Ten lists that each hold the one before twice: a reader that copies would need 2^n times the memory.
  std::string bomb = "\x80\x02]q" + std::string(1, '\0');
  for (char i = 0; i < 40; ++i) bomb += std::string("](h") + i + "h" + i + "eq" + static_cast<char>(i + 1);
  expect_refused(archive_of(bomb + "."), {"list"});
}

TEST_F(TorchBad, TensorsMustLieInTheirStorages) {
  expect_tensor_refused([](WrittenTensor& t) { t.offset = 1; }, {"\"transformer.wte.weight\"", "144", "[3,48]", "1"});
  expect_tensor_refused([](WrittenTensor& t) { t.offset = -1; }, {"-1"});
  expect_tensor_refused([](WrittenTensor& t) { t.strides = {49, 1}; }, {"[49,1]"});
  expect_tensor_refused([](WrittenTensor& t) { t.strides = {INT64_MAX, INT64_MAX}; }, {"[3,48]"});
  expect_tensor_refused([](WrittenTensor& t) { t.shape = {1 << 20, 1 << 20}, t.strides = {0, 0}; }, {"expanded"});
  expect_tensor_refused([](WrittenTensor& t) { t.shape = {-3, 48}; }, {"-3"});
  expect_tensor_refused([](WrittenTensor& t) { t.shape = {3, 48, 1}; }, {"3", "2"});
  expect_tensor_refused([](WrittenTensor& t) { t.shape = t.strides = std::vector<int64_t>(9, 1); }, {"8", "9"});
  expect_tensor_refused([](WrittenTensor& t) { t.type = "LongStorage"; }, {});
  expect_tensor_refused([](WrittenTensor& t) { t.type = "QInt8Storage"; }, {"\"torch.QInt8Storage\""});
  expect_tensor_refused([](WrittenTensor& t) { t.count = INT64_MAX; }, {});
  TorchContent changed = content_;
  changed.tensors[0].key = "nowhere";
  expect_refused(changed.archive(), {"\"nowhere\""});
}

TEST_F(TorchBad, WeightsMustFitTheConfiguration) {
  TorchContent changed = content_;
  changed.tensors[0].type = "HalfStorage", changed.tensors[0].count = 288;
  changed.tensors[0].shape = {6, 48};
  expect_refused(changed.archive(), {"\"wte.weight\"", "[3,48]", "[6,48]"});
  changed = content_;
  changed.tensors.pop_back();
  changed.tensors[0].type = "IntStorage";
  expect_refused(changed.archive(), {"\"wte.weight\"", "I32"});
  changed.tensors[0].name = "transformer.wpe.weight";
  expect_refused(changed.archive(), {"\"transformer.wpe.weight\"", "once"});
  folder_.set("n_layer", 3);
  expect_refused(content_.archive(), {"\"h.2.ln_1.weight\""});
}

TEST_F(TorchBad, NamesOfAnotherModelAreShown) {
  TorchContent other = content_;
  other.tensors[0].name = "transformer.embedding_of_tokens";
  folder_.write("model.pt", other.archive());
  folder_.remove("config.json");
  EXPECT_THAT(error_of([&] {
                open_with("torch", folder_.path("model.pt"), {{"heads", "2"}});
              }),
              IsMessage("\"wte.weight\"", "other tensors", "\"embedding_of_tokens\""));
}

// The precisions take a head at the address of wte for wte.
TEST_F(TorchBad, AHeadThatIsWteTransposedIsRefused) {
  const auto square = open_with("synthetic", "synthetic:L=1,C=8,H=2,V=8,T=5");
  TorchContent content = content_of(*square, {.linear = true});
  folder_.write("model.pt", content.archive());
  folder_.remove("config.json");
  EXPECT_EQ(open_with("torch", folder_.path("model.pt"), {{"heads", "2"}})->config().V, 8);
  content.tensors.back().strides = {1, 8};
  folder_.write("model.pt", content.archive());
  EXPECT_THAT(error_of([&] {
                open_with("torch", folder_.path("model.pt"), {{"heads", "2"}});
              }),
              IsMessage("\"lm_head.weight\""));
}

TEST_F(TorchBad, ArchivesAreChecked) {
  const std::string pickle = Pickler().state_dict(content_.tensors).done();
  expect_refused(zip_of({{"model/data.pkl", pickle, 8}}), {"\"model/data.pkl\"", "8", "zip -0"});
  expect_refused(zip_of({{"model/data.pkl", pickle}, {"model/data.pkl", pickle}}), {"\"model/data.pkl\"", "two"});
  const std::string good = content_.archive();
  const size_t directory = good.find("PK\x01\x02");
  const auto spoil = [&](size_t at, const std::string& bytes) {
    return std::string(good).replace(at, bytes.size(), bytes);
  };
  expect_refused(spoil(directory + 42, raw<uint32_t>(7)), {"record", "7"});
  expect_refused(spoil(directory + 42, raw<uint32_t>(UINT32_MAX - 1)), {"record", "4294967294"});
  expect_refused(spoil(directory + 20, raw<uint64_t>(0x7fffffff7fffffff)), {"2147483647"});
  expect_refused(spoil(directory + 20, raw<uint64_t>(0xffffffffffffffff)), {"record"});
  expect_refused(spoil(directory + 8, raw<uint16_t>(1)), {"encrypted"});
  expect_refused(spoil(directory, "XX"), {"record", "0"});
  expect_refused(spoil(good.size() - 6, raw<uint32_t>(UINT32_MAX)), {"directory"});
  expect_refused(spoil(good.size() - 12, raw<uint16_t>(UINT16_MAX)), {"65535"});
  expect_refused(spoil(30, "x"), {"name"});
}

TEST_F(TorchBad, FilesThatWereCutAreNamed) {
  const std::string archive = content_.archive(), series = content_.series();
  expect_refused(archive.substr(0, archive.size() / 2), {"cut", std::to_string(archive.size() / 2)});
  expect_refused(series.substr(0, series.size() / 2),
                 {"cut", std::to_string(series.size()), std::to_string(series.size() / 2)});
  expect_refused(series + "x", {std::to_string(series.size()), std::to_string(series.size() + 1)});
  expect_refused(series.substr(0, 100), {"cut"});
}

TEST_F(TorchBad, SettingsMustBeThereAndAgree) {
  folder_.remove("config.json");
  const auto refused = [&](const OptionValues& options) {
    return error_of([&] { open_with("torch", folder_.path(kFile), options); });
  };
  folder_.write(kFile, content_.archive());
  EXPECT_THAT(refused({}), IsMessage("heads", "--loader.heads 12"));
  EXPECT_THAT(refused({{"heads", "5"}}), IsMessage("n_head", "48", "5"));
  const auto with_settings = [&](const std::function<void(Pickler&)>& add) {
    Pickler pickle;
    pickle.op("}(").text("model").state_dict(content_.tensors).text("model_args").op("}(");
    add(pickle);
    return content_.archive(pickle.op("uu").done());
  };
  folder_.write(kFile, with_settings([](Pickler& p) { p.text("n_head").integer(3).text("n_layer").integer(4); }));
  EXPECT_THAT(refused({}), IsMessage("n_layer", "2", "4"));
  folder_.write(kFile, with_settings([](Pickler& p) { p.text("n_head").text("3"); }));
  EXPECT_THAT(refused({}), IsMessage("n_head", "text"));
  folder_.write(kFile, with_settings([](Pickler& p) { p.text("n_head").integer(3); }));
  EXPECT_THAT(refused({{"heads", "4"}}), IsMessage("n_head", "3", "4"));
  folder_.write("config.json", "{");
  folder_.write(kFile, content_.archive());
  EXPECT_THAT(refused({{"heads", "3"}}), IsMessage("JSON", folder_.path("config.json").string() + ":"));
}

TEST_F(TorchBad, FoldersAndShardsAreNamed) {
  const auto error = [&](const std::string& file = "") {
    return error_of([&] { open_with("torch", folder_.path(file)); });
  };
  EXPECT_THAT(error(), IsMessage(folder_.path().string() + ":", kFile));
  EXPECT_THAT(error("nowhere"), IsMessage("nothing"));
  folder_.write("a.pt", content_.archive());
  folder_.write("b.pt", content_.archive());
  EXPECT_THAT(error(), IsMessage("a.pt", "b.pt", "2"));
  folder_.write("pytorch_model-00001-of-00002.bin", content_.archive());
  EXPECT_THAT(error("pytorch_model-00001-of-00002.bin"), IsMessage("pytorch_model.bin.index.json", "shard"));
  folder_.write("pytorch_model.bin.index.json", R"({"weight_map": {"x": "../a.bin"}})");
  EXPECT_THAT(error(), IsMessage("\"x\"", "\"../a.bin\""));
}

// Reads every value of every weight: a view that leaves its mapped file shows as a crash.
void read_all(const Checkpoint& checkpoint) {
  const ModelConfig& m = checkpoint.config();
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) checksum(checkpoint.tensor(weight, layer));
  }
}

// Changes 1 to 4 bytes of `whole`, for the most part of what is no weight, or cuts it.
std::string spoiled(const std::string& whole, std::mt19937& random) {
  constexpr std::string_view kTelling = "().}]NKMXUqhjrcRtQbsuea\x81\x85\x86\x87\x89\x8a\x93\x94\xff";
  const size_t directory = whole.find("PK\x01\x02"), head = std::min<size_t>(whole.size(), 7000);
  std::string bytes = whole;
  for (uint32_t left = 1 + random() % 4; left > 0; --left) {
    const bool is_directory = directory < whole.size() && random() % 3 == 0;
    const size_t at = is_directory ? directory + random() % (whole.size() - directory) : random() % head;
    bytes[at] = random() % 2 ? kTelling[random() % kTelling.size()] : static_cast<char>(random());
  }
  if (random() % 16 == 0) bytes.resize(1 + random() % (bytes.size() - 1));
  return bytes;
}

// Opens spoiled copies of a file: each is a model or is refused. The environment variable GPT2RUN_MUTATIONS asks for
// another number of rounds.
void corrupt(const std::string& golden, int rounds) {
  if (const char* given = std::getenv("GPT2RUN_MUTATIONS")) rounds = std::atoi(given);
  const MemoryFile file;
  const std::string whole = read_whole(kTorchGoldens + golden);
  const OptionValues heads = {{"heads", golden == "mingpt.pt" ? "3" : "0"}};
  const auto loader = make_plugin<Loader>(Kind::loader, "torch", heads);
  std::mt19937 random(20);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    file.write(spoiled(whole, random));
    try {
      read_all(*loader->open(file.path().c_str()));
    } catch (const Error& error) {
      ASSERT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, rounds / 4);
  EXPECT_LT(refused, rounds);
}

TEST(TorchCorruption, ArchivesNeverCrash) { corrupt("nanogpt.pt", 8000); }
TEST(TorchCorruption, SeriesNeverCrash) { corrupt("mingpt.pt", 6000); }
TEST(TorchCorruption, LaterProtocolsNeverCrash) { corrupt("dataclass.pt", 6000); }

}  // namespace
}  // namespace gpt2run::test
