// The loader `huggingface` on files that are wrong, or made to do harm: one line that names the file and the fault.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "loaders/model_folder.hpp"
#include "loaders/weights.hpp"
#include "support/golden.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {
namespace {

constexpr const char* kWeightFile = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kQkv = "transformer.h.1.attn.c_attn.weight";

std::unique_ptr<Checkpoint> open(const std::string& path) {
  return make_plugin<Loader>(Kind::loader, "huggingface")->open(path.c_str());
}

void expect_refused(const ModelFolder& folder, const std::string& file, const std::string& expected) {
  expect_error([&] { open(folder.path()); }, folder.path(file).string() + ": ");
  expect_error([&] { open(folder.path()); }, expected);
}

void expect_setting_refused(const std::string& key, const Json& value, const std::string& expected) {
  const ModelFolder folder;
  folder.set(key, value);
  expect_refused(folder, "config.json", expected);
}

void expect_header_refused(const std::function<void(Json&)>& edit, const std::string& expected) {
  const ModelFolder folder;
  folder.edit_header(edit);
  expect_refused(folder, kWeightFile, expected);
}

std::string size_bytes(uint64_t size) { return {reinterpret_cast<const char*>(&size), sizeof size}; }

TEST(HuggingfaceSettings, OtherArithmeticIsRefusedByName) {
  expect_setting_refused("model_type", "llama", "model_type: expected \"gpt2\", found \"llama\"");
  expect_setting_refused("model_type", nullptr, "model_type: expected \"gpt2\", found none");
  expect_setting_refused("activation_function", "gelu", "activation_function: expected \"gelu_new\"");
  expect_setting_refused("activation_function", "relu", "found \"relu\"");
  expect_setting_refused("scale_attn_weights", false, "scale_attn_weights: expected true, found false");
  expect_setting_refused("scale_attn_by_inverse_layer_idx", true, "scale_attn_by_inverse_layer_idx: expected false");
  expect_setting_refused("add_cross_attention", true, "add_cross_attention: expected false");
  expect_setting_refused("is_encoder_decoder", true, "is_encoder_decoder: expected false");
  expect_setting_refused("position_embedding_type", "relative_key", "position_embedding_type: expected \"absolute\"");
  expect_setting_refused("quantization_config", {{"bits", 4}},
                         "quantization_config: expected none, found a JSON object");
  expect_setting_refused("pruned_heads", {{"0", {1}}}, "pruned_heads: expected none");
}

TEST(HuggingfaceSettings, SizesAreBounded) {
  for (const char* key : {"n_layer", "n_head", "n_embd", "n_positions", "n_inner", "vocab_size"}) {
    const std::string name = std::string(key) + ": expected";
    expect_setting_refused(key, 0, name + " 1 to");
    expect_setting_refused(key, -1, name + " 1 to");
    expect_setting_refused(key, int64_t{1} << 31, name + " 1 to");
    expect_setting_refused(key, UINT64_MAX, name + " a number in range");
    expect_setting_refused(key, 12.5, name + " a whole number, found 12.5");
    expect_setting_refused(key, "12", name + " a whole number");
    expect_setting_refused(key, Json::array(), name + " a whole number");
  }
  for (const char* key : {"n_layer", "n_head", "n_embd", "vocab_size"}) {
    expect_setting_refused(key, nullptr, std::string(key) + ": expected a whole number, found null");
  }
  expect_setting_refused("n_head", 5, "n_head: expected a divisor of the width 48, found 5");
  expect_setting_refused("vocab_size", 262144, "vocab_size: expected 1 to 262143");
}

TEST(HuggingfaceSettings, OtherValuesAreChecked) {
  expect_setting_refused("eos_token_id", 3, "eos_token_id: expected a token id below 3, found 3");
  expect_setting_refused("eos_token_id", -2, "eos_token_id");
  expect_setting_refused("eos_token_id", "2", "eos_token_id: expected a whole number");
  expect_setting_refused("layer_norm_epsilon", 0, "layer_norm_epsilon: expected a number in (0, 1], found 0");
  expect_setting_refused("layer_norm_epsilon", 1e-60, "layer_norm_epsilon");
  expect_setting_refused("layer_norm_epsilon", 1e300, "layer_norm_epsilon");
  expect_setting_refused("layer_norm_epsilon", "1e-5", "layer_norm_epsilon: expected a number");
  expect_setting_refused("tie_word_embeddings", 1, "tie_word_embeddings: expected true or false, found 1");
}

TEST(HuggingfaceSettings, ConfigMustBeOneObject) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "found an empty file"},
      {"{", "expected JSON"},
      {"[]", "expected a JSON object, found an empty list"},
      {"12", "expected a JSON object"},
      {"{\"n_layer\": 1e999}", "expected JSON"},
      {"{\"a\": 1, \"a\": 2}", "expected every key once, found \"a\" twice"},
      {"{\"a\": {\"b\": 1, \"b\": 2}}", "found \"b\" twice"},
      {"{\"a\": " + std::string(100000, '['), "at most 1000 levels"},
      {"{\"a\":" + std::string(100, '{'), "expected"},
      {"\xff\xfe{}", "expected JSON"},
  };
  for (const auto& [text, expected] : cases) {
    const ModelFolder folder;
    folder.write("config.json", text);
    expect_refused(folder, "config.json", expected);
  }
}

// It ends the parser: what stands behind it would be read by nobody.
TEST(HuggingfaceFiles, ANulByteIsNoEnd) {
  const std::string junk("\0junk{", 6);
  const auto expect_nul_refused = [&](const ModelFolder& folder, const std::string& file, const std::string& text) {
    expect_refused(folder, file, "expected JSON, found a NUL at byte " + std::to_string(text.size() + 1));
  };
  const ModelFolder config, header, padded, index("bf16-sharded");
  for (const auto& [folder, file] : {std::pair(&config, "config.json"), std::pair(&index, kIndex)}) {
    const std::string text = folder->read(file);
    folder->write(file, text + junk);
    expect_nul_refused(*folder, file, text);
  }
  const std::string text = header.header().dump();
  for (const std::string& end : {junk, std::string(3, '\0')}) {
    header.replace_header(text + end);
    expect_nul_refused(header, kWeightFile, text);
  }
  padded.replace_header(text + "   ");
  EXPECT_NO_THROW(open(padded.path()));
}

TEST(HuggingfaceFiles, MissingFilesAreNamed) {
  const ModelFolder folder;
  folder.remove(kWeightFile);
  expect_error([&] { open(folder.path()); },
               "expected model.safetensors or model.safetensors.index.json, found neither");
  folder.write("pytorch_model.bin", "x");
  expect_error([&] { open(folder.path()); }, "must be converted to safetensors");
  folder.remove("config.json");
  expect_refused(folder, "config.json", "No such file");
  expect_error([&] { open(folder.path("nowhere")); }, "found nothing");
  expect_error([&] { open(""); }, "found nothing");
}

TEST(HuggingfaceFiles, OnlyRegularFilesAreRead) {
  const ModelFolder folder;
  folder.remove(kWeightFile);
  ASSERT_EQ(mkfifo(folder.path(kWeightFile).c_str(), 0600), 0);
  expect_refused(folder, kWeightFile, "expected a regular file");
  folder.remove(kWeightFile);
  std::filesystem::create_directory(folder.path(kWeightFile));
  expect_refused(folder, kWeightFile, "expected a regular file");
}

TEST(HuggingfaceFiles, EveryTruncationIsRefused) {
  const ModelFolder folder("f16");
  const std::string whole = folder.read(kWeightFile);
  for (size_t size = 0; size < whole.size(); size += size < 64 ? 1 : 997) {
    folder.write(kWeightFile, whole.substr(0, size));
    expect_refused(folder, kWeightFile, "expected");
  }
  folder.write(kWeightFile, whole.substr(0, whole.size() - 1));
  expect_refused(folder, kWeightFile, "expected data_offsets within");
  folder.write(kWeightFile, whole + "x");
  expect_refused(folder, kWeightFile, "bytes of data, found");
}

TEST(HuggingfaceHeader, LengthThatLiesIsRefused) {
  const ModelFolder folder;
  const std::string whole = folder.read(kWeightFile);
  for (uint64_t size : {uint64_t{0}, uint64_t{1}, whole.size() - 7, uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 7}) {
    folder.write(kWeightFile, size_bytes(size) + whole.substr(8));
    expect_refused(folder, kWeightFile, "expected a header of 2 to");
  }
  folder.write(kWeightFile, size_bytes(100) + whole.substr(8));
  expect_refused(folder, kWeightFile, "expected JSON, found its end at byte 101");
  folder.write(kWeightFile, size_bytes(whole.size() - 8) + whole.substr(8));
  expect_refused(folder, kWeightFile, "expected JSON");
}

TEST(HuggingfaceHeader, TextThatIsNotAHeaderIsRefused) {
  const std::pair<std::string, const char*> cases[] = {
      {"[]", "expected a JSON object"},
      {"{}", "bytes of data, found"},
      {"{\"a\":1}", "\"a\": expected an object, found 1"},
      {std::string(1 << 20, '['), "at most 1000 levels"},
      {"{\"a\":" + std::string(1 << 20, '{'), "expected"},
      {"{\"a\\n\\u0007\":1}", "\"a\\n\\x07\": expected an object"},
      {"{\"" + std::string(100000, 'x') + "\":1}", "xxx...\""},
      {std::string("{\"\xff\":1}"), "expected JSON"},
      {"{\"a\":{},\"a\":{}}", "found \"a\" twice"},
  };
  for (const auto& [text, expected] : cases) {
    const ModelFolder folder;
    folder.replace_header(text);
    expect_refused(folder, kWeightFile, expected);
  }
}

// In time that grows with the square of their number they would take hours.
TEST(HuggingfaceHeader, HoldsAsManyTensorsAsOneLikes) {
  const ModelFolder folder;
  std::string header = "{";
  for (int i = 0; i < 500'000; ++i)
    header.append(i > 0 ? ",\"" : "\"")
        .append(std::to_string(i))
        .append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
  folder.write(kWeightFile, size_bytes(header.size() + 1) + header + "}");
  expect_error([&] { open(folder.path()); }, "expected tensor \"wte.weight\", found none");
}

TEST(HuggingfaceHeader, EntriesAreChecked) {
  const auto set = [](const char* key, const Json& value) { return [=](Json& header) { header[kQkv][key] = value; }; };
  expect_header_refused(set("dtype", "F33"), "expected a known dtype, found \"F33\"");
  expect_header_refused(set("dtype", 4), "expected \"dtype\" to be a text");
  expect_header_refused(set("shape", 4), "expected \"shape\" to be a list");
  expect_header_refused(set("shape", {48, -144}), "expected a number from 0, found -144");
  expect_header_refused(set("shape", {48, 144.0}), "expected a number from 0, found 144.0");
  expect_header_refused(set("shape", {48, "144"}), "expected a number from 0");
  expect_header_refused(set("shape", {UINT64_MAX, 2}), "expected a shape within the file");
  expect_header_refused(set("shape", {int64_t{1} << 32, int64_t{1} << 32}), "expected a shape within the file");
  expect_header_refused(set("shape", {int64_t{1} << 62, 4}), "expected a shape within the file");
  expect_header_refused(set("shape", {0, 0}), "expected 0 bytes");
  expect_header_refused(set("shape", {48, 143}), "expected 27456 bytes for F32 [48,143], found 27648");
  expect_header_refused(set("shape", std::vector<int>(9, 1)), "expected \"shape\" to be a list of at most 8");
  expect_header_refused(set("data_offsets", {0}), "expected two data_offsets");
  expect_header_refused(set("data_offsets", {8, 4}), "expected data_offsets within");
  expect_header_refused(set("data_offsets", {0, UINT64_MAX}), "expected data_offsets within");
  expect_header_refused(set("data_offsets", {UINT64_MAX - 3, UINT64_MAX}), "expected data_offsets within");
  expect_header_refused(set("data_offsets", {-4, 4}), "expected a number from 0, found -4");
  expect_header_refused(set("data_offsets", {0, 48 * 144 * 4}), "overlaps another tensor");
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    expect_header_refused([=](Json& header) { header[kQkv].erase(key); }, key);
  }
}

TEST(HuggingfaceHeader, TensorsMustFitTheConfiguration) {
  const std::string name = "\"h.1.attn.c_attn.weight\"";
  expect_header_refused(
      [](Json& header) {
        header[kQkv]["shape"] = {144, 48};
      },
      name + ": expected shape [48,144], found [144,48]");
  expect_header_refused([](Json& header) { header[kQkv]["shape"] = {6912}; },
                        name + ": expected shape [48,144], found [6912]");
  expect_header_refused([](Json& header) { header[kQkv]["dtype"] = "I32"; },
                        name + ": expected F32, F16 or BF16, found I32");
  const ModelFolder folder;
  folder.set("n_inner", 101);
  expect_refused(folder, kWeightFile, "\"h.0.mlp.c_fc.weight\": expected shape [48,101], found [48,100]");
}

TEST(HuggingfaceHeader, MissingTensorsAreNamedWithTheNearest) {
  const auto rename = [](const char* from, const char* to) {
    return [=](Json& header) {
      header[to] = header[from];
      header.erase(from);
    };
  };
  expect_header_refused(rename(kQkv, "transformer.h.1.attn.c_atn.weight"),
                        "expected tensor \"h.1.attn.c_attn.weight\", found none; nearest: \"h.1.attn.c_atn.weight\"");
  expect_header_refused(rename("transformer.wte.weight", "wte.weights"), "nearest: \"wte.weights\"");
  const ModelFolder more_layers;
  more_layers.set("n_layer", 3);
  expect_refused(more_layers, kWeightFile, "expected tensor \"h.2.ln_1.weight\", found none; nearest: nothing");
  const ModelFolder untied;
  untied.set("tie_word_embeddings", false);
  expect_refused(untied, kWeightFile, "expected tensor \"lm_head.weight\", found none");
  const ModelFolder nothing;
  nothing.write(kWeightFile, size_bytes(2) + "{}");
  expect_refused(nothing, kWeightFile, "nearest: nothing");
}

TEST(HuggingfaceHeader, OneTensorUnderTwoNamesIsRefused) {
  expect_header_refused(
      [](Json& header) {
        header["wte.weight"] = header["transformer.h.0.attn.masked_bias"];
        header.erase("transformer.h.0.attn.masked_bias");
      },
      "expected once, found also in");
}

TEST(HuggingfaceShards, IndexIsChecked) {
  const auto expect_index_refused = [](const std::function<void(Json&)>& edit, const std::string& expected) {
    const ModelFolder folder("bf16-sharded");
    folder.edit_json(kIndex, edit);
    expect_refused(folder, kIndex, expected);
  };
  const auto point = [](const Json& file) { return [=](Json& index) { index["weight_map"]["wte.weight"] = file; }; };
  const char* outside = "expected the name of a safetensors file in this folder";
  expect_index_refused([](Json& index) { index.erase("weight_map"); }, "expected \"weight_map\" to be an object");
  expect_index_refused([](Json& index) { index["weight_map"] = 1; }, "expected \"weight_map\" to be an object");
  expect_index_refused(point("../model-00001-of-00003.safetensors"), outside);
  expect_index_refused(point("/etc/model.safetensors"), outside);
  expect_index_refused(point(std::string("a\0.safetensors", 14)), outside);
  expect_index_refused(point("config.json"), outside);
  expect_index_refused(point(7), outside);
  expect_index_refused(point("model-00002-of-00003.safetensors"), "\"wte.weight\": expected in \"model-00002");
  expect_index_refused([](Json& index) { index["weight_map"]["more"] = "model-00001-of-00003.safetensors"; },
                       "\"more\": expected in \"model-00001-of-00003.safetensors\", found nowhere");
}

TEST(HuggingfaceShards, MissingAndDoubledShardsAreNamed) {
  const ModelFolder folder("bf16-sharded");
  const std::string second = folder.read("model-00002-of-00003.safetensors");
  folder.write("model-00003-of-00003.safetensors", second);
  expect_refused(folder, "model-00003-of-00003.safetensors", "expected once, found also in");
  folder.remove("model-00003-of-00003.safetensors");
  expect_refused(folder, "model-00003-of-00003.safetensors", "No such file");
}

// Reads every value of every weight: a view that leaves its mapped file shows as a crash.
void read_all(const Checkpoint& checkpoint) {
  const ModelConfig& m = checkpoint.config();
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) checksum(checkpoint.tensor(weight, layer));
  }
}

// Changes 1 to 4 bytes in the first `within` bytes of `file`, thousands of times: the model opens or is refused.
void corrupt(const ModelFolder& folder, const std::string& file, size_t within, int rounds) {
  const std::string whole = folder.read(file);
  const auto loader = make_plugin<Loader>(Kind::loader, "huggingface");
  std::mt19937 random(20);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = whole;
    for (uint32_t left = 1 + random() % 4; left > 0; --left) {
      constexpr std::string_view kTelling = "0123456789[]{},:\"-";
      const char byte = random() % 2 ? kTelling[random() % kTelling.size()] : static_cast<char>(random());
      bytes[random() % std::min(within, bytes.size())] = byte;
    }
    folder.write(file, bytes);
    try {
      read_all(*loader->open(folder.path().c_str()));
    } catch (const Error& error) {
      EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, rounds / 2);
}

TEST(HuggingfaceCorruption, HeadersNeverCrash) {
  const ModelFolder folder("f16");
  uint64_t header;
  const std::string bytes = folder.read(kWeightFile);
  std::memcpy(&header, bytes.data(), sizeof header);
  corrupt(folder, kWeightFile, 8 + header, 2000);
  folder.write(kWeightFile, bytes);
  corrupt(folder, kWeightFile, 8, 200);
}

TEST(HuggingfaceCorruption, SettingsAndIndexesNeverCrash) {
  const ModelFolder folder("bf16-sharded");
  const std::string config = folder.read("config.json");
  corrupt(folder, "config.json", SIZE_MAX, 1000);
  folder.write("config.json", config);
  corrupt(folder, kIndex, SIZE_MAX, 1000);
}

}  // namespace
}  // namespace gpt2run::test
