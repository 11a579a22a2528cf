// The loader `huggingface` on files that are wrong, or made to do harm: one line that names the file and the fault.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "loaders/model_folder.hpp"
#include "loaders/weights.hpp"
#include "support/error_of.hpp"
#include "support/golden.hpp"
#include "support/messages.hpp"
#include "support/plugin.hpp"
#include "support/sanitizers.hpp"

namespace gpt2run::test {
namespace {

constexpr const char* kWeightFile = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kQkv = "transformer.h.1.attn.c_attn.weight";

void expect_refused(const ModelFolder& folder, const std::string& file, Words words) {
  words.push_back(folder.path(file).string() + ":");
  EXPECT_THAT(error_of([&] { open_huggingface(folder.path()); }), IsMessage(words));
}

template <class... Word>
void expect_setting_refused(const std::string& key, const Json& value, const Word&... words) {
  const ModelFolder folder;
  folder.set(key, value);
  expect_refused(folder, "config.json", {key + ":", words...});
}

void expect_header_refused(const std::function<void(Json&)>& edit, const Words& words) {
  const ModelFolder folder;
  folder.edit_header(edit);
  expect_refused(folder, kWeightFile, words);
}

std::string size_bytes(uint64_t size) { return {reinterpret_cast<const char*>(&size), sizeof size}; }

TEST(HuggingfaceSettings, OtherArithmeticIsRefusedByName) {
  expect_setting_refused("model_type", "llama", "\"gpt2\"", "\"llama\"");
  expect_setting_refused("activation_function", "quick_gelu", "gelu_new, gelu_fast", "tanh", "\"quick_gelu\"");
  expect_setting_refused("activation_function", 7, "gelu_new", "7");
  expect_setting_refused("scale_attn_weights", false, "true", "false");
  expect_setting_refused("scale_attn_by_inverse_layer_idx", 1, "true or false", "1");
  expect_setting_refused("add_cross_attention", true, "false", "true");
  expect_setting_refused("is_encoder_decoder", true, "false", "true");
  expect_setting_refused("position_embedding_type", "relative_key", "\"absolute\"", "\"relative_key\"");
  expect_setting_refused("quantization_config", {{"bits", 4}}, "quant_method:", "\"gpt2run\"");
  expect_setting_refused("pruned_heads", {{"0", {1}}}, "none");
}

// The file decides where a text ends.
TEST(HuggingfaceSettings, ABrokenGenerationConfigIsRefused) {
  const ModelFolder folder;
  folder.write("generation_config.json", "{");
  expect_refused(folder, "generation_config.json", {"JSON"});
  folder.write("generation_config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  expect_refused(folder, "generation_config.json", {"JSON", "Git LFS", "9"});
  folder.remove("generation_config.json");
  std::filesystem::create_symlink("../blobs/0", folder.path("generation_config.json"));
  expect_refused(folder, "generation_config.json", {"link"});
}

// What people have in place of config.json.
TEST(HuggingfaceSettings, WhatIsNoConfigIsNamed) {
  const ModelFolder folder;
  const std::string text = folder.read("config.json");
  folder.write("config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 665\n");
  expect_refused(folder, "config.json", {"JSON", "Git LFS", "665"});
  folder.write("config.json", "<!DOCTYPE html>\n<html><body>Sign in</body></html>");
  expect_refused(folder, "config.json", {"JSON", "web page"});
  std::string wide = "\xff\xfe";
  for (const char c : text) wide.append({c, '\0'});
  folder.write("config.json", wide);
  expect_refused(folder, "config.json", {"JSON", "UTF-16", "iconv"});
  folder.write("config.json", "\xEF\xBB\xBF" + text);
  EXPECT_EQ(error_of([&] { open_huggingface(folder.path()); }), "no error");
}

TEST(HuggingfaceSettings, SizesAreBounded) {
  for (const char* key : {"n_layer", "n_head", "n_embd", "n_positions", "n_inner", "vocab_size"}) {
    expect_setting_refused(key, 0, "0");
    expect_setting_refused(key, -1, "-1");
    expect_setting_refused(key, int64_t{1} << 31, "2147483648");
    expect_setting_refused(key, UINT64_MAX);
    expect_setting_refused(key, 12.5, "whole", "12.5");
    expect_setting_refused(key, "12", "whole", "\"12\"");
    expect_setting_refused(key, Json::array(), "whole", "list");
  }
  for (const char* key : {"n_layer", "n_head", "n_embd", "vocab_size"}) {
    expect_setting_refused(key, nullptr, "whole", "null");
  }
  expect_setting_refused("n_head", 5, "48", "5");
  expect_setting_refused("num_hidden_layers", 3, "2", "n_layer", "3");
  expect_setting_refused("vocab_size", 262144, "262143", "262144");
}

TEST(HuggingfaceSettings, OtherValuesAreChecked) {
  expect_setting_refused("eos_token_id", {1, "2"}, "whole", "\"2\"");
  expect_setting_refused("eos_token_id", UINT64_MAX, "range");
  expect_setting_refused("bos_token_id", {1, 2}, "one", "2");
  expect_setting_refused("eos_token_id", "2", "whole", "\"2\"");
  expect_setting_refused("layer_norm_epsilon", 0, "(0, 1]", "0");
  expect_setting_refused("layer_norm_epsilon", 1e-60, "(0, 1]", "1e-60");
  expect_setting_refused("layer_norm_epsilon", 1e300, "(0, 1]");
  expect_setting_refused("layer_norm_epsilon", "1e-5", "\"1e-5\"");
  expect_setting_refused("tie_word_embeddings", 1, "true", "false", "1");
}

TEST(HuggingfaceSettings, MoreEndsThanAModelMayHave) {
  const ModelFolder folder;
  folder.set("vocab_size", 100);
  folder.set("eos_token_id", {1, 2, 3, 4, 5, 6, 7, 8, 9});
  expect_refused(folder, "config.json", {"eos_token_id:", "8", "9"});
}

// Other kinds of model have the same names for their sizes.
TEST(HuggingfaceSettings, WithoutATypeOnlyGpt2IsTaken) {
  const auto refused = [](const char* key, const Json& value, const Words& words) {
    const ModelFolder folder;
    folder.edit_json("config.json", [&](Json& config) {
      config.erase("model_type");
      config[key] = value;
    });
    expect_refused(folder, "config.json", words);
  };
  for (const char* key : {"afn", "dff", "rotary_dim", "multi_query"}) refused(key, 1, {"model_type:", "\"gpt2\"", key});
  for (const char* key : {"n_layer", "n_head", "n_embd", "vocab_size"}) refused(key, nullptr, {"model_type:", key});
  refused("architectures", {"OpenAIGPTLMHeadModel"}, {"model_type:", "\"OpenAIGPTLMHeadModel\""});
}

TEST(HuggingfaceSettings, NumbersOfPythonAreRefusedWhereTheyAreRead) {
  for (const char* number : {"NaN", "Infinity", "-Infinity"})
    for (const char* key : {"layer_norm_epsilon", "n_layer", "n_inner", "eos_token_id", "tie_word_embeddings"}) {
      const ModelFolder folder;
      folder.set(key, "VALUE");
      std::string text = folder.read("config.json");
      text.replace(text.find("\"VALUE\""), 7, number);
      folder.write("config.json", text);
      expect_refused(folder, "config.json", {std::string(key) + ":", "\"" + std::string(number) + "\""});
    }
}

TEST(HuggingfaceSettings, ConfigMustBeOneObject) {
  const std::pair<std::string, Words> cases[] = {
      {"", {}},
      {"{", {"JSON", "2"}},
      {"[]", {"JSON", "list"}},
      {"12", {"JSON", "12"}},
      {"{\"n_layer\": 1e999}", {"JSON"}},
      {"{\"a\": 1, \"a\": 2}", {"\"a\""}},
      {"{\"a\": {\"b\": 1, \"b\": 2}}", {"\"b\""}},
      {"{\"a\": " + std::string(100000, '['), {"1000"}},
      {"{\"a\":" + std::string(100, '{'), {"JSON"}},
      {"\xff\xfe{}", {"JSON"}},
      {"{\"a\": NaN", {"JSON", "7"}},
      {"{\"a\": -NaN}", {"JSON"}},
      {"{\"a\": \"", {"JSON"}},
      {"{\"a\": \"\\", {"JSON"}},
  };
  for (const auto& [text, words] : cases) {
    const ModelFolder folder;
    folder.write("config.json", text);
    expect_refused(folder, "config.json", words);
  }
}

// It ends the parser: what stands behind it would be read by nobody.
TEST(HuggingfaceFiles, ANulByteIsNoEnd) {
  const std::string junk("\0junk{", 6);
  const auto expect_nul_refused = [&](const ModelFolder& folder, const std::string& file, const std::string& text) {
    expect_refused(folder, file, {"NUL", std::to_string(text.size() + 1)});
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
  EXPECT_NO_THROW(open_huggingface(padded.path()));
}

TEST(HuggingfaceFiles, MissingFilesAreNamed) {
  const ModelFolder folder;
  folder.remove(kWeightFile);
  const auto error = [&](const std::string& path) { return error_of([&] { open_huggingface(path); }); };
  EXPECT_THAT(error(folder.path()), IsMessage(folder.path().string(), kWeightFile, kIndex));
  folder.write("pytorch_model.bin", "x");
  EXPECT_THAT(error(folder.path()), IsMessage(folder.path().string(), "pytorch_model.bin", "torch"));
  folder.remove("config.json");
  EXPECT_THAT(error(folder.path()), IsMessage(folder.path().string() + ":", "config.json"));
  EXPECT_THAT(error(folder.path("nowhere")), IsMessage(folder.path("nowhere").string()));
  EXPECT_THAT(error(""), IsMessage("model.safetensors"));
}

TEST(HuggingfaceFiles, OnlyRegularFilesAreRead) {
  const ModelFolder folder;
  folder.remove(kWeightFile);
  ASSERT_EQ(mkfifo(folder.path(kWeightFile).c_str(), 0600), 0);
  expect_refused(folder, kWeightFile, {"regular file"});
  folder.remove(kWeightFile);
  std::filesystem::create_directory(folder.path(kWeightFile));
  expect_refused(folder, kWeightFile, {"regular file"});
}

TEST(HuggingfaceFiles, EveryTruncationIsRefused) {
  const ModelFolder folder("f16");
  const std::string whole = folder.read(kWeightFile);
  for (size_t size = 0; size < whole.size(); size += size < 64 ? 1 : 997) {
    folder.write(kWeightFile, whole.substr(0, size));
    const std::string error = error_of([&] { open_huggingface(folder.path()); });
    EXPECT_TRUE(error.starts_with(folder.path(kWeightFile).string() + ": ") && has_word(error, "expected")) << error;
    EXPECT_EQ(error.find('\n'), error.npos) << error;
  }
  folder.write(kWeightFile, whole.substr(0, whole.size() - 1));
  expect_refused(folder, kWeightFile, {"data_offsets"});
  folder.write(kWeightFile, whole + "x");
  expect_refused(folder, kWeightFile, {"bytes"});
}

TEST(HuggingfaceHeader, LengthThatLiesIsRefused) {
  const ModelFolder folder;
  const std::string whole = folder.read(kWeightFile);
  for (uint64_t size : {uint64_t{0}, uint64_t{1}, whole.size() - 7, uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 7}) {
    folder.write(kWeightFile, size_bytes(size) + whole.substr(8));
    expect_refused(folder, kWeightFile, {"header", std::to_string(size)});
  }
  folder.write(kWeightFile, size_bytes(100) + whole.substr(8));
  expect_refused(folder, kWeightFile, {"JSON", "101"});
  folder.write(kWeightFile, size_bytes(whole.size() - 8) + whole.substr(8));
  expect_refused(folder, kWeightFile, {"JSON"});
}

TEST(HuggingfaceHeader, TextThatIsNotAHeaderIsRefused) {
  const std::pair<std::string, Words> cases[] = {
      {"[]", {"JSON"}},
      {"{}", {"bytes"}},
      {"{\"a\":1}", {"\"a\"", "1"}},
      {std::string(1 << 20, '['), {"1000"}},
      {"{\"a\":" + std::string(1 << 20, '{'), {"JSON"}},
      {"{\"a\\n\\u0007\":1}", {"\"a\\n\\x07\""}},
      {"{\"" + std::string(100000, 'x') + "\":1}", {"...\""}},
      {std::string("{\"\xff\":1}"), {"JSON", "\\xff"}},
      {"{\"a\":{},\"a\":{}}", {"\"a\""}},
  };
  for (const auto& [text, words] : cases) {
    const ModelFolder folder;
    folder.replace_header(text);
    expect_refused(folder, kWeightFile, words);
  }
}

TEST(HuggingfaceFiles, FilesOfAnotherKindAreNamed) {
  const std::pair<std::string, Words> cases[] = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548105171\n", {"Git", "LFS", "548105171"}},
      {"<html><body>Sign in</body></html>", {"web page"}},
      {std::string("GGUF\3\0\0\0\0\0\0\0", 12), {"GGUF"}},
      {"PK\x03\x04" + std::string(22, '\0') + std::string("\x0d\0\0\0", 4) + "name/data.pkl", {"PyTorch"}}};
  const ModelFolder folder, lone;
  lone.remove("config.json");
  for (const auto& [bytes, words] : cases) {
    folder.write(kWeightFile, bytes);
    expect_refused(folder, kWeightFile, words);
    lone.write(kWeightFile, bytes);
    EXPECT_THAT(error_of([&] { open_huggingface(lone.path(kWeightFile)); }), IsMessage(words));
  }
}

TEST(HuggingfaceFiles, WeightsOfAnotherFormatAreNamed) {
  for (const char* name : {"pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack", "adapter_model.bin"}) {
    const ModelFolder folder;
    folder.remove(kWeightFile);
    folder.write(name, "x");
    EXPECT_THAT(error_of([&] { open_huggingface(folder.path()); }), IsMessage(kWeightFile, name));
  }
}

TEST(HuggingfaceFiles, OneOfSeveralFilesMustBeNamed) {
  const ModelFolder folder;
  std::filesystem::rename(folder.path(kWeightFile), folder.path("a.safetensors"));
  std::filesystem::copy(folder.path("a.safetensors"), folder.path("b.safetensors"));
  EXPECT_THAT(error_of([&] { open_huggingface(folder.path()); }), IsMessage("a.safetensors", "b.safetensors", "2"));
  const ModelFolder shard;
  std::filesystem::rename(shard.path(kWeightFile), shard.path("model-00001-of-00002.safetensors"));
  EXPECT_THAT(error_of([&] { open_huggingface(shard.path("model-00001-of-00002.safetensors")); }),
              IsMessage(kIndex, "shard"));
  EXPECT_THAT(error_of([&] { open_huggingface(shard.path()); }),
              IsMessage("model-00001-of-00002.safetensors", "shard", "index"));
}

// In time that grows with the square of their number they would take hours.
TEST(HuggingfaceHeader, HoldsAsManyTensorsAsOneLikes) {
  SKIP_UNDER_ASAN(kSlowUnderAsan);
  const ModelFolder folder;
  std::string header = "{";
  for (int i = 0; i < 500'000; ++i)
    header.append(i > 0 ? ",\"" : "\"")
        .append(std::to_string(i))
        .append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
  folder.write(kWeightFile, size_bytes(header.size() + 1) + header + "}");
  expect_refused(folder, kWeightFile, {"\"wte.weight\"", "\"0\""});
}

TEST(HuggingfaceHeader, EntriesAreChecked) {
  const auto set = [](const char* key, const Json& value) { return [=](Json& header) { header[kQkv][key] = value; }; };
  expect_header_refused(set("dtype", "F33"), {"dtype", "\"F33\""});
  expect_header_refused(set("dtype", 4), {"\"dtype\""});
  expect_header_refused(set("shape", 4), {"\"shape\""});
  expect_header_refused(set("shape", {48, -144}), {"-144"});
  expect_header_refused(set("shape", {48, 144.0}), {"144.0"});
  expect_header_refused(set("shape", {48, "144"}), {"\"144\""});
  expect_header_refused(set("shape", {UINT64_MAX, 2}), {std::string("\"") + kQkv + "\"", "shape"});
  expect_header_refused(set("shape", {int64_t{1} << 32, int64_t{1} << 32}), {std::string("\"") + kQkv + "\"", "shape"});
  expect_header_refused(set("shape", {int64_t{1} << 62, 4}), {std::string("\"") + kQkv + "\"", "shape"});
  expect_header_refused(set("shape", {0, 0}), {"0"});
  expect_header_refused(set("shape", {48, 143}), {"27456", "F32", "[48,143]", "27648"});
  expect_header_refused(set("shape", std::vector<int>(9, 1)), {"\"shape\"", "8"});
  expect_header_refused(set("data_offsets", {0}), {"data_offsets"});
  expect_header_refused(set("data_offsets", {8, 4}), {"data_offsets"});
  expect_header_refused(set("data_offsets", {0, UINT64_MAX}), {"data_offsets"});
  expect_header_refused(set("data_offsets", {UINT64_MAX - 3, UINT64_MAX}), {"data_offsets"});
  expect_header_refused(set("data_offsets", {-4, 4}), {"-4"});
  expect_header_refused(set("data_offsets", {0, 48 * 144 * 4}), {"another tensor"});
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    expect_header_refused([=](Json& header) { header[kQkv].erase(key); }, {std::string("\"") + key + "\""});
  }
}

TEST(HuggingfaceHeader, TensorsMustFitTheConfiguration) {
  const std::string name = "\"h.1.attn.c_attn.weight\"";
  expect_header_refused(
      [](Json& header) {
        header[kQkv]["shape"] = {144, 48};
      },
      {name, "[48,144]", "[144,48]", "transposed"});
  expect_header_refused([](Json& header) { header[kQkv]["shape"] = {6912}; }, {name, "[48,144]", "[6912]"});
  expect_header_refused([](Json& header) { header[kQkv]["dtype"] = "I32"; }, {name, "F32", "F16", "BF16", "I32"});
  const ModelFolder folder;
  folder.set("n_inner", 101);
  expect_refused(folder, kWeightFile, {"\"h.0.mlp.c_fc.weight\"", "[48,101]", "[48,100]"});
}

TEST(HuggingfaceHeader, MissingTensorsAreNamedWithTheNearest) {
  const auto rename = [](const char* from, const char* to) {
    return [=](Json& header) {
      header[to] = header[from];
      header.erase(from);
    };
  };
  expect_header_refused(rename(kQkv, "transformer.h.1.attn.c_atn.weight"),
                        {"\"h.1.attn.c_attn.weight\"", "\"h.1.attn.c_atn.weight\""});
  expect_header_refused(rename("transformer.wte.weight", "wte.weights"),
                        {"\"wte.weight\"", "nearest", "\"wte.weights\""});
  expect_header_refused(rename("transformer.wte.weight", "model.embed_tokens.weight"),
                        {"\"wte.weight\"", "other tensors", "\"model.embed_tokens.weight\""});
  const ModelFolder more_layers;
  more_layers.set("n_layer", 3);
  expect_refused(more_layers, kWeightFile, {"\"h.2.ln_1.weight\""});
  const ModelFolder untied;
  untied.set("tie_word_embeddings", false);
  expect_refused(untied, kWeightFile, {"\"lm_head.weight\""});
  const ModelFolder nothing;
  nothing.write(kWeightFile, size_bytes(2) + "{}");
  expect_refused(nothing, kWeightFile, {"\"wte.weight\""});
}

TEST(HuggingfaceHeader, OneTensorUnderTwoNamesIsRefused) {
  expect_header_refused(
      [](Json& header) {
        header["wte.weight"] = header["transformer.h.0.attn.masked_bias"];
        header.erase("transformer.h.0.attn.masked_bias");
      },
      {"\"wte.weight\""});
}

TEST(HuggingfaceShards, IndexIsChecked) {
  const auto expect_index_refused = [](const std::function<void(Json&)>& edit, const Words& words) {
    const ModelFolder folder("bf16-sharded");
    folder.edit_json(kIndex, edit);
    expect_refused(folder, kIndex, words);
  };
  const auto point = [](const Json& file) { return [=](Json& index) { index["weight_map"]["wte.weight"] = file; }; };
  const auto outside = [](const char* file) { return Words{"\"wte.weight\"", file}; };
  expect_index_refused([](Json& index) { index.erase("weight_map"); }, {"\"weight_map\""});
  expect_index_refused([](Json& index) { index["weight_map"] = 1; }, {"\"weight_map\""});
  expect_index_refused(point("../model-00001-of-00003.safetensors"),
                       outside("\"../model-00001-of-00003.safetensors\""));
  expect_index_refused(point("/etc/model.safetensors"), outside("\"/etc/model.safetensors\""));
  expect_index_refused(point(std::string("a\0.safetensors", 14)), outside("\"a\\x00.safetensors\""));
  expect_index_refused(point("config.json"), outside("\"config.json\""));
  expect_index_refused(point(7), outside("7"));
  expect_index_refused(point("model-00002-of-00003.safetensors"),
                       {"\"wte.weight\"", "\"model-00002-of-00003.safetensors\""});
  expect_index_refused([](Json& index) { index["weight_map"]["more"] = "model-00001-of-00003.safetensors"; },
                       {"\"more\"", "\"model-00001-of-00003.safetensors\""});
}

TEST(HuggingfaceShards, MissingAndDoubledShardsAreNamed) {
  const ModelFolder folder("bf16-sharded");
  const std::string second = folder.read("model-00002-of-00003.safetensors");
  folder.write("model-00003-of-00003.safetensors", second);
  expect_refused(folder, "model-00003-of-00003.safetensors", {"model-00002-of-00003.safetensors"});
  folder.remove("model-00003-of-00003.safetensors");
  expect_refused(folder, "model-00003-of-00003.safetensors", {"No such file or directory"});
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
