// How the programs reckon memory: the bytes of elements by options and contracts, and what counts when a session is
// checked against the machine.
#include <gtest/gtest.h>

#include "common/pipeline/explain.hpp"
#include "common/pipeline/memory_check.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/program/available_memory.hpp"
#include "gpt2run/error.hpp"
#include "support/plugin.hpp"
#include "support/program.hpp"

namespace gpt2run {
namespace {

BoundPlugin bound(const std::string& name, const std::vector<std::pair<const char*, const char*>>& options = {}) {
  const Plugin& plugin = test::load_plugin(Kind::precision, name);
  BoundPlugin bound(plugin, {plugin.name, {}}, Layer::fallback);
  for (const auto& [key, value] : options) bound.values.set(key, value, "a test");
  return bound;
}

TEST(ElementBytes, OfTheEmbeddingFollowTheOptionHead) {
  const double int4 = element_bytes(bound("cpu-int4")).layers;
  EXPECT_EQ(int4, 17.0 / 32);
  for (const auto& [head, bytes] : {std::pair("int8", 1.0), std::pair("bf16", 2.0), std::pair("fp32", 4.0)}) {
    EXPECT_EQ(element_bytes(bound("cpu-int8", {{"head", head}})).embedding, bytes) << head;
    EXPECT_EQ(element_bytes(bound("cpu-int8", {{"head", head}})).layers, 1) << head;
    EXPECT_EQ(element_bytes(bound("cpu-int4", {{"head", head}})).embedding, bytes) << head;
    EXPECT_EQ(element_bytes(bound("cpu-int4", {{"head", head}})).layers, int4) << head;
  }
  EXPECT_EQ(element_bytes(bound("cpu-bf16")).embedding, 2);
}

TEST(CacheBytes, AreThoseOfTheWordInTheContract) {
  const ModelConfig config = {.L = 2, .H = 2, .C = 12, .F = 20, .V = 23, .T = 40, .end_of_text = 22, .epsilon = 1e-5f};
  Traits traits{};
  traits.step_bytes = 4 * step_elements(config);
  const auto bytes = [&](const char* contract) {
    traits.contract = contract;
    return cache_bytes(traits, config);
  };
  EXPECT_EQ(bytes("w=int8:a=int8:head=int8:kv=fp16"), 2);
  EXPECT_EQ(bytes("w=int8:a=int8:head=int8:kv=int8"), 1);
  EXPECT_EQ(bytes("type=fp32:kv=fp16:exact=layer0"), 2);
  EXPECT_EQ(bytes("kv=bf16"), 2);
  EXPECT_EQ(bytes("type=fp32:exact=kv"), 4);
  EXPECT_EQ(bytes("type=fp32:w=int8:xkv=int8"), 4);
  EXPECT_EQ(bytes(""), 4);
}

// A model that no machine holds, with a tied head.
class Huge final : public Checkpoint {
 public:
  const ModelConfig& config() const override { return config_; }
  Tensor tensor(Weight weight, int) const override {
    const Shape shape = shape_of(weight, config_);
    return {&config_, Type::f32, shape.rows, shape.cols, shape.cols, 1};
  }
  const char* tokenizer() const override { return nullptr; }

 private:
  ModelConfig config_ = {
      .L = 4096, .H = 2, .C = 1 << 19, .F = 1 << 19, .V = 1 << 10, .T = 8, .end_of_text = -1, .epsilon = 1e-5f};
};

TEST(CheckMemory, WeightsThatAreMappedPackedDoNotCount) {
  const test::ScratchFolder scratch;
  const std::string values(64, 'x');
  const auto packed = [&](const char* wte, const char* qkv) {
    const PackedPart parts[] = {{Weight::wte, 0, wte, {values.data(), values.size()}},
                                {Weight::qkv_w, 0, qkv, {values.data(), values.size()}}};
    write_packed_folder(scratch.path() / "p", {"m", "huggingface", {}}, parts);
    std::vector<PackedFolder> folders;
    folders.emplace_back(scratch.path() / "p");
    return PackedCheckpoint(std::make_unique<Huge>(), std::move(folders), {});
  };
  const auto is_refused = [](const BoundPlugin& precision, const Checkpoint& checkpoint) {
    const Limits limits = {
        .slots = 1, .context = 1, .rows = 1, .logit_rows = 1, .threads = 1, .device = 0, .keep_raw = false};
    try {
      check_memory(precision, checkpoint, limits);
      return false;
    } catch (const Error&) {
      return true;
    }
  };
  const BoundPlugin bf16 = bound("cpu-bf16"), int8 = bound("cpu-int8"), int4 = bound("cpu-int4", {{"head", "bf16"}});
  EXPECT_TRUE(is_refused(bf16, Huge()));
  EXPECT_TRUE(is_refused(bf16, packed("type=fp32:rows", "type=fp32:panel=64")));
  EXPECT_FALSE(is_refused(bf16, packed("type=bf16:rows", "type=bf16:panel=64")));
  const auto of_int8 = packed("quantised:int8:panel=64:four=4", "quantised:int8:panel=64:four=4");
  EXPECT_FALSE(is_refused(int8, of_int8));
  EXPECT_TRUE(is_refused(int4, of_int8));
  EXPECT_TRUE(is_refused(int4, packed("quantised:int8:panel=64", "quantised:int4:panel=64")));
  EXPECT_FALSE(is_refused(int4, packed("quantised:bf16:panel=64", "quantised:int4:panel=64")));
}

TEST(Memory, IsThereAndNoMoreThanAll) {
  EXPECT_GT(available_memory(), 0);
  EXPECT_LE(available_memory(), total_memory());
  EXPECT_LT(total_memory(), INT64_MAX);
}

}  // namespace
}  // namespace gpt2run
