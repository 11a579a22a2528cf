// int8 and int4 in files: what gpt2convert writes, the loader `huggingface` shows where it lies, bit for bit what the
// quantiser of the contract gives; every precision computes with the exact values; and every number is checked.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>

#include "loaders/model_folder.hpp"
#include "loaders/same_model.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "support/quantised_checkpoint.hpp"

namespace gpt2run::test {
namespace {

constexpr const char* kOdd = "synthetic:L=2,C=35,H=5,F=67,V=13,T=9,tied=0";  // rows that end within a byte and a group
constexpr const char* kQkv = "transformer.h.1.attn.c_attn.weight";

// Every value, as FP32, by its bits.
void expect_values(const Checkpoint& found, const Checkpoint& expected) {
  for_each_weight(expected.config(), [&](Weight weight, int layer) {
    const Tensor a = found.tensor(weight, layer), b = expected.tensor(weight, layer);
    for (int64_t r = 0; r < b.rows; ++r)
      for (int64_t c = 0; c < b.cols; ++c)
        ASSERT_EQ(std::bit_cast<uint32_t>(at(a, r, c) + 0.0f), std::bit_cast<uint32_t>(at(b, r, c) + 0.0f))
            << name_of(weight) << layer << " " << r << " " << c;
  });
}

class Quantised : public testing::TestWithParam<Type> {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string type() const { return name_of(GetParam()); }

  ScratchFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Types, Quantised, testing::Values(Type::i8, Type::u4),
                         [](const auto& type) { return name_of(type.param); });

TEST_P(Quantised, TheFileHasWhatTheQuantiserGives) {
  for (const std::string& model : {kModelGoldens + "plain", kModelGoldens + "bf16-sharded", std::string(kOdd)}) {
    SCOPED_TRACE(model);
    convert(model + " --type " + type() + " --force -o " + path("q"));
    const auto source = open_any(model), found = open_any(path("q"));
    expect_complete(*found);
    expect_same_config(found->config(), source->config());
    EXPECT_EQ(found->config().tied_head, source->config().tied_head);
    expect_values(*found, QuantisedCheckpoint(*source, GetParam()));
    for_each_weight(source->config(), [&](Weight weight, int layer) {
      EXPECT_EQ(found->tensor(weight, layer).type,
                is_quantised_matrix(weight) ? quantised_type_of(weight, GetParam()) : Type::f32)
          << name_of(weight);
    });
  }
}

TEST_P(Quantised, NothingIsCopied) {
  convert(kModelGoldens + "plain --type " + type() + " -o " + path("q"));
  const auto model = open_any(path("q"));
  const Tensor qkv = model->tensor(Weight::qkv_w, 1);
  EXPECT_EQ(qkv.data, model->tensor(Weight::qkv_w, 1).data);
  EXPECT_EQ(qkv.col_stride, 1);
  // Scales follow the codes of their matrix, and groups the scales.
  const int64_t codes = qkv.rows * bytes_of(qkv.type, qkv.cols), scales = qkv.rows * bytes_of(Type::f32);
  EXPECT_EQ(static_cast<const char*>(qkv.scales), static_cast<const char*>(qkv.data) + codes);
  EXPECT_EQ(static_cast<const char*>(qkv.groups),
            GetParam() == Type::u4 ? static_cast<const char*>(qkv.scales) + scales : nullptr);
  EXPECT_EQ(model->tensor(Weight::head_w, 0).data, model->tensor(Weight::wte, 0).data);
}

// A folder of int8 or int4, and the same values in a folder of FP32: every precision gives the same bits.
TEST_P(Quantised, EveryPrecisionReadsTheExactValues) {
  for (const std::string& model : {kModelGoldens + "plain", std::string(kOdd)}) {
    convert(model + " --type " + type() + " --force -o " + path("q"));
    convert(path("q") + " --type fp32 --force -o " + path("wide"));
    expect_values(*open_any(path("wide")), *open_any(path("q")));
    for (const char* precision : {"reference", "cpu-fp32", "cpu-fp16", "cpu-bf16"})
      EXPECT_EQ(logits_of(*open_any(path("q")), precision), logits_of(*open_any(path("wide")), precision)) << precision;
  }
}

// The precision of the type gives the same bits from the folder and from the model that it was made of.
TEST_P(Quantised, TheTypesPrecisionGivesTheBitsOfTheSource) {
  const std::string precision = std::string("cpu-") + type();
  for (const std::string& model : {kModelGoldens + "plain", std::string(kOdd)}) {
    convert(model + " --type " + type() + " --force -o " + path("q"));
    EXPECT_EQ(logits_of(*open_any(path("q")), precision.c_str()), logits_of(*open_any(model), precision.c_str()))
        << model;
  }
}

TEST_P(Quantised, OtherLayoutsGetTheValues) {
  convert(kModelGoldens + "plain --type " + type() + " -o " + path("q"));
  convert(path("q") + " -o " + path("copy"));
  EXPECT_TRUE(read_whole(path("copy/model.safetensors")) == read_whole(path("q/model.safetensors")));
  EXPECT_EQ(read_whole(path("copy/config.json")), read_whole(path("q/config.json")));
  convert(path("q") + " --to gguf -o " + path("keep.gguf"));
  convert(path("q") + " --to gguf --type fp32 -o " + path("wide.gguf"));
  convert("synthetic:L=1,C=12,H=2,V=31,T=5 --type " + type() + " -o " + path("small"));
  convert(path("small") + " --to llmc -o " + path("keep.bin"));
  expect_values(*open_any(path("keep.gguf")), *open_any(path("q")));
  expect_values(*open_any(path("keep.bin")), *open_any(path("small")));
  EXPECT_TRUE(read_whole(path("keep.gguf")) == read_whole(path("wide.gguf")));
  convert(path("q") + " --type bf16 -o " + path("half"));
  const Tensor half = open_any(path("half"))->tensor(Weight::wte, 0), own = open_any(path("q"))->tensor(Weight::wte, 0);
  EXPECT_EQ(half.type, Type::bf16);
  EXPECT_EQ(at(open_any(path("half"))->tensor(Weight::wte, 0), 1, 3),
            round_to(Type::bf16, at(open_any(path("q"))->tensor(Weight::wte, 0), 1, 3)));
  EXPECT_EQ(half.rows, own.rows);
}

TEST_P(Quantised, AHeadThatEqualsTheEmbeddingIsTied) {
  convert(kModelGoldens + "separate-head --type " + type() + " -o " + path("q"));
  const auto own = open_any(path("q"));
  EXPECT_NE(own->tensor(Weight::head_w, 0).data, own->tensor(Weight::wte, 0).data);
  const ModelFolder folder(path("q"));
  folder.set("tie_word_embeddings", true);
  const auto set = [&](const char* part) {
    std::string bytes = folder.read("model.safetensors");
    uint64_t size;
    std::memcpy(&size, bytes.data(), sizeof size);
    const Json header = folder.header();
    const auto offset = [&](const std::string& name, int end) {
      return header[name + part]["data_offsets"][end].get<size_t>();
    };
    const size_t count = offset("lm_head.weight", 1) - offset("lm_head.weight", 0);
    bytes.replace(8 + size + offset("lm_head.weight", 0), count,
                  bytes.substr(8 + size + offset("transformer.wte.weight", 0), count));
    folder.write("model.safetensors", bytes);
    const auto model = open_any(folder.path());
    return model->tensor(Weight::head_w, 0).data == model->tensor(Weight::wte, 0).data;
  };
  EXPECT_FALSE(set(""));
  EXPECT_TRUE(set(".scales"));
}

TEST_P(Quantised, ValuesWithoutAScaleAreRefusedByName) {
  convert(kModelGoldens + "plain --type fp32 -o " + path("f"));
  for (const float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::max()}) {
    const ModelFolder folder(path("f"));
    folder.edit_tensors([&](std::map<std::string, TensorBytes>& tensors) {
      std::memcpy(&tensors.at("transformer.h.1.mlp.c_fc.weight").data[40], &value, sizeof value);
    });
    const Outcome done = run_program(BINARY_DIR "/bin/gpt2convert -q --type " + type() + " -m " +
                                     folder.path().string() + " -o " + path("none"));
    EXPECT_THAT(done, IsRefusal(1, "gpt2convert", "weight", "up_w", "1", type(),
                                std::isnan(value)   ? "nan"
                                : std::isinf(value) ? "inf"
                                                    : "3.40282e+38",
                                "row 10", std::isfinite(value) ? "row" : "column 0"));
    EXPECT_FALSE(std::filesystem::exists(path("none")));
  }
}

TEST(QuantisedConvert, OnlyHuggingfaceHasTheTypes) {
  for (const char* type : {"int8", "int4"})
    for (const char* layout : {"llmc", "gguf"})
      EXPECT_THAT(run_program(std::string(BINARY_DIR "/bin/gpt2convert -m synthetic:124M -o /none/x --type ") + type +
                              " --to " + layout),
                  IsRefusal(2, "gpt2convert", "--type", layout, type, "huggingface"));
}

// Folders of the golden model "plain", one of each type, each test with a copy.
class QuantisedBad : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<ScratchFolder>();
    for (const char* type : {"int8", "int4"})
      convert(kModelGoldens + "plain --type " + type + " -o " + (scratch_->path() / type).string());
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static void refused(const ModelFolder& folder, const std::string& file, Words words) {
    words.push_back(folder.path(file).string() + ":");
    EXPECT_THAT(error_of([&] { open_any(folder.path()); }), IsMessage(words));
  }
  static void refused_setting(const std::string& type, const std::string& key, const Json& value, Words words) {
    const ModelFolder folder((scratch_->path() / type).string());
    folder.edit_json("config.json", [&](Json& config) { config["quantization_config"][key] = value; });
    words.push_back("quantization_config:");
    refused(folder, "config.json", words);
  }
  // The metadata stays.
  static void refused_tensors(const std::string& type,
                              const std::function<void(std::map<std::string, TensorBytes>&)>& edit, Words words) {
    const ModelFolder folder((scratch_->path() / type).string());
    const Json metadata = folder.header()["__metadata__"];
    folder.edit_tensors(edit);
    folder.edit_header([&](Json& header) { header["__metadata__"] = metadata; });
    refused(folder, "model.safetensors", words);
  }
  static void refused_byte(const std::string& type, const std::string& tensor, size_t at, std::string bytes,
                           Words words) {
    words.push_back("\"" + tensor.substr(std::string("transformer.").size()) + "\":");
    refused_tensors(
        type, [&](auto& tensors) { tensors.at(tensor).data.replace(at, bytes.size(), bytes); }, words);
  }
  static void refused_scale(const std::string& type, uint32_t bits, Words words) {
    words.push_back("row 5");
    refused_byte(type, std::string(kQkv) + ".scales", 20, {reinterpret_cast<const char*>(&bits), sizeof bits}, words);
  }

  static std::unique_ptr<ScratchFolder> scratch_;
};
std::unique_ptr<ScratchFolder> QuantisedBad::scratch_;

TEST_F(QuantisedBad, OtherMethodsAndSettings) {
  refused_setting("int8", "quant_method", "gptq", {"none", "\"gptq\""});
  refused_setting("int8", "quant_method", nullptr, {"quant_method:", "\"gpt2run\"", "no such key"});
  refused_setting("int8", "quant_method", 8, {"none", "object"});
  refused_setting("int8", "bits", 3, {"bits:", "8", "4", "3"});
  refused_setting("int8", "bits", "8", {"bits:", "\"8\""});
  refused_setting("int8", "group_size", 32, {"group_size:", "-1", "32"});
  refused_setting("int4", "group_size", 64, {"group_size:", "32", "64"});
  refused_setting("int8", "zero_point", true, {"zero_point:", "false", "true"});
  refused_setting("int4", "zero_point", false, {"zero_point:", "true", "false"});
  refused_setting("int4", "modules_to_not_convert", {"wpe", "lm_head"}, {"modules_to_not_convert:", "[\"wpe\"]"});
  refused_setting("int4", "embedding_bits", 4, {"embedding_bits:", "8", "4"});
  refused_setting("int4", "desc_act", false, {"desc_act:"});
}

TEST_F(QuantisedBad, SettingsOfTheOtherType) {
  refused_tensors("int8", [](auto& tensors) { tensors.erase(std::string(kQkv) + ".scales"); },
                  {"\"h.1.attn.c_attn.weight.scales\",", "none"});
  refused_tensors("int4", [](auto& tensors) { tensors.erase(std::string(kQkv) + ".groups"); },
                  {"\"h.1.attn.c_attn.weight.groups\",", "none"});
  const ModelFolder folder((scratch_->path() / "int8").string());
  folder.edit_json("config.json", [](Json& config) {
    config["quantization_config"] = {{"quant_method", "gpt2run"}, {"bits", 4}};
  });
  refused(folder, "model.safetensors", {"\"h.0.attn.c_attn.weight\":", "U8", "I8"});
  folder.edit_json("config.json", [](Json& config) { config.erase("quantization_config"); });
  refused(folder, "model.safetensors", {"F32", "I8", "quantization_config", "missing", "config.json"});
  const ModelFolder packed((scratch_->path() / "int4").string());
  packed.edit_json("config.json", [](Json& config) { config["quantization_config"] = nullptr; });
  refused(packed, "model.safetensors", {"\"wte.weight\":", "I8", "quantization_config", "missing", "config.json"});
}

TEST_F(QuantisedBad, TypesAndShapes) {
  const auto set = [](const std::string& name, auto change) {
    return [=](std::map<std::string, TensorBytes>& tensors) { change(tensors.at(name)); };
  };
  const std::string scales = std::string(kQkv) + ".scales", groups = std::string(kQkv) + ".groups";
  const auto is_u8 = [](TensorBytes& tensor) { tensor.dtype = "U8"; };
  const auto is_i8 = [](TensorBytes& tensor) { tensor.dtype = "I8"; };
  const auto is_i32 = [](TensorBytes& tensor) { tensor.dtype = "I32"; };
  const auto is_flat = [](TensorBytes& tensor) { tensor.shape = {tensor.shape[0] * tensor.shape[1]}; };
  const auto is_deep = [](TensorBytes& tensor) { tensor.shape.push_back(1); };
  const auto is_turned = [](TensorBytes& tensor) { std::swap(tensor.shape[0], tensor.shape[1]); };
  refused_tensors("int8", set(kQkv, is_u8), {"\"h.1.attn.c_attn.weight\":", "I8", "U8"});
  refused_tensors("int8", set(kQkv, is_turned), {"[144,48],", "[48,144]"});
  refused_tensors("int8", set(scales, is_i32), {"\"h.1.attn.c_attn.weight.scales\":", "F32", "I32"});
  refused_tensors("int8", set(scales, is_deep), {"[144],", "[144,1]"});
  refused_tensors("int4", set(kQkv, is_i8), {"\"h.1.attn.c_attn.weight\":", "U8", "I8"});
  refused_tensors("int4", set(kQkv, is_flat), {"[144,24],", "[3456]"});
  refused_tensors("int4", set(groups, is_i8), {"\"h.1.attn.c_attn.weight.groups\":", "U8", "I8"});
  refused_tensors("int4", set(groups, is_turned), {"[144,2],", "[2,144]"});
}

TEST_F(QuantisedBad, Numbers) {
  const std::string name = kQkv;
  for (const char* type : {"int8", "int4"}) {
    for (const uint32_t bits : {0x7fc00000u, 0x7f800000u, 0xff800000u, 0x80000000u, 0xbc000000u}) {
      SCOPED_TRACE(bits);
      refused_scale(type, bits, {"scales", "16"});
    }
    refused_scale(type, 0x3c000080, {"16"});  // 17 significant bits
    refused_scale(type, 0x00000100, {"2^-107"});
    refused_scale(type, 0x09ffff00, {"2^-107"});
    refused_scale(type, 0x7f7fff00, {"3.40277e+38"});
  }
  refused_scale("int8", 0x7c010300, {"127"});  // times 127 it is infinite
  refused_byte("int8", name, 48 * 7 + 3, "\x80", {"-128", "7,", "3"});
  refused_byte("int4", name + ".groups", 2 * 9 + 1, "\x80", {"8,", "9", "9,", "1"});
}

TEST_F(QuantisedBad, AFileThatDoesNotSayHowItsMatricesLie) {
  for (const Json& metadata : {Json{{"format", "pt"}}, Json{{"matrices", "in,out"}}}) {
    const ModelFolder folder((scratch_->path() / "int8").string());
    folder.edit_header([&](Json& header) { header["__metadata__"] = metadata; });
    refused(folder, "model.safetensors", {"matrices:", "\"out,in\""});
  }
}

// Scales at the ends of what is allowed.
TEST_F(QuantisedBad, ExceptTheLeastAndTheLargestScale) {
  for (const uint32_t bits : {0u, 0x0a000000u, 0x7c010200u}) {
    const ModelFolder folder((scratch_->path() / "int8").string());
    const Json metadata = folder.header()["__metadata__"];
    folder.edit_tensors(
        [&](auto& tensors) { std::memcpy(&tensors.at(std::string(kQkv) + ".scales").data[20], &bits, sizeof bits); });
    folder.edit_header([&](Json& header) { header["__metadata__"] = metadata; });
    EXPECT_EQ(error_of([&] { open_any(folder.path()); }), "no error");
  }
}

}  // namespace
}  // namespace gpt2run::test
