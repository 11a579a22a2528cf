// What cpu-int8 and cpu-int4 make of the tensors of a file: of every type and shape, and of codes from other
// quantisers.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "gpt2run/sdk/quantise.hpp"
#include "int8_precision.hpp"
#include "quantised.hpp"
#include "support/error_of.hpp"
#include "support/quantised_checkpoint.hpp"

namespace gpt2run::test {
namespace {

using testing::HasSubstr;

// A checkpoint whose matrices are stored in another way.
class StoredAs final : public Checkpoint {
 public:
  // int4_*: of another quantiser, with groups of 64, factors up to 16, or scales with more bits or below zero.
  enum class Form { int8, int4, other_int8, int4_of_64, int4_factors, int4_scales, int4_negative, transposed };

  StoredAs(const Checkpoint& from, Form form) : from_(from) {
    for (int w = 0; w < kWeights; ++w) {
      const auto weight = static_cast<Weight>(w);
      const bool matrix = shape_of(weight, from.config()).cols > 1 && weight != Weight::wpe;
      for (int layer = 0; matrix && layer < (is_per_layer(weight) ? from.config().L : 1); ++layer)
        store(weight, layer, form);
    }
  }

  const ModelConfig& config() const override { return from_.config(); }
  const char* tokenizer() const override { return nullptr; }
  Tensor tensor(Weight weight, int layer) const override {
    if (weight == Weight::head_w) weight = Weight::wte;
    const auto found = stored_.find({weight, layer});
    return found == stored_.end() ? from_.tensor(weight, layer) : found->second.tensor;
  }

 private:
  struct Stored {
    Tensor tensor{};
    std::vector<float> scales, values;
    std::vector<int8_t> codes;
    std::vector<uint8_t> nibbles, groups;
  };

  void store(Weight weight, int layer, Form form) {
    if (weight == Weight::head_w) return;
    const Tensor t = from_.tensor(weight, layer);
    Stored& own = stored_[{weight, layer}];
    const int64_t cols = t.cols, groups = (cols + kInt4Group - 1) / kInt4Group;
    const bool int4 = form == Form::int4 || (form >= Form::int4_of_64 && form <= Form::int4_negative);
    const int64_t kept = form == Form::int4_of_64 ? (groups + 1) / 2 : groups;
    own.tensor = {nullptr, Type::f32, t.rows, cols, cols, 1};
    own.values.resize(t.rows * cols), own.codes.resize(t.rows * cols), own.nibbles.resize((t.rows * cols + 1) / 2);
    for (int64_t r = 0; r < t.rows; ++r) {
      std::vector<float> row(cols);
      for (int64_t c = 0; c < cols; ++c) row[c] = at(t, r, c), own.values[c * t.rows + r] = row[c];
      if (int4 && weight != Weight::wte) {
        std::vector<uint8_t> codes(cols);
        std::vector<Int4Group> factors(groups);
        own.scales.push_back(quantise_int4(row, codes.data(), factors.data()));
        if (form == Form::int4_scales) own.scales.back() = std::nextafter(own.scales.back(), 1.0f);
        if (form == Form::int4_negative) own.scales.back() *= -1;
        if (form == Form::int4_factors) {
          own.scales.back() /= 2;
          for (Int4Group& one : factors) one.factor *= 2;
        }
        for (int64_t g = 0; g < kept; ++g) own.groups.push_back(factors[g].byte());
        for (int64_t c = 0; c < cols; ++c) {
          const int64_t index = r * cols + c;
          own.nibbles[index / 2] |= static_cast<uint8_t>(codes[c] << (index % 2 ? 4 : 0));
        }
      } else {
        own.scales.push_back(quantise_int8(row, &own.codes[r * cols]));
        if (form == Form::other_int8) own.codes[r * cols] = -128, own.scales.back() *= 1.0001f;
      }
    }
    if (form == Form::transposed) {
      own.tensor.data = own.values.data(), own.tensor.row_stride = 1, own.tensor.col_stride = t.rows;
      return;
    }
    own.tensor.scales = own.scales.data();
    own.tensor.type = own.groups.empty() ? Type::i8 : Type::u4;
    own.tensor.data = own.groups.empty() ? static_cast<const void*>(own.codes.data()) : own.nibbles.data();
    if (!own.groups.empty())
      own.tensor.groups = own.groups.data(), own.tensor.group = form == Form::int4_of_64 ? 2 * kInt4Group : kInt4Group;
  }

  const Checkpoint& from_;
  std::map<std::pair<Weight, int>, Stored> stored_;
};

TEST(QuantisedWeights, AreThoseThatAFileHolds) {
  const TinyCheckpoint model(odd_shape());
  const auto tokens = some_tokens(20, odd_shape().V);
  const Backend int8{"int8", "cpu-int8", {}, Type::i8}, int4{"int4", "cpu-int4", {}, Type::u4};
  const auto of_int8 = logits_of(int8, model, tokens), of_int4 = logits_of(int4, model, tokens);
  EXPECT_EQ(logits_of(int8, StoredAs(model, StoredAs::Form::transposed), tokens), of_int8);
  EXPECT_EQ(logits_of(int4, StoredAs(model, StoredAs::Form::transposed), tokens), of_int4);
  EXPECT_EQ(logits_of(int8, StoredAs(model, StoredAs::Form::int8), tokens), of_int8);
  EXPECT_EQ(logits_of(int4, StoredAs(model, StoredAs::Form::int4), tokens), of_int4);
  EXPECT_NE(of_int8, of_int4);
}

// Codes of another quantiser are values like any others.
TEST(QuantisedWeights, OfAnotherQuantiserAreQuantisedAsTheReferenceDoes) {
  const TinyCheckpoint model(odd_shape());
  const auto tokens = some_tokens(20, odd_shape().V);
  for (const auto form : {StoredAs::Form::other_int8, StoredAs::Form::int4}) {
    const StoredAs stored(model, form);
    const Backend int8{"int8", "cpu-int8", {}, Type::i8};
    const auto own = logits_of(int8, stored, tokens);
    EXPECT_LT(rms_error(own, logits_of(reference_of(contract_of(int8)), stored, tokens)), 0.01 * rms(own));
    EXPECT_GT(rms_error(own, logits_of(int8, model, tokens)), 0.0);
  }
}

// The same values in FP32.
class Widened final : public Checkpoint {
 public:
  explicit Widened(const Checkpoint& from) : from_(from) {}
  const ModelConfig& config() const override { return from_.config(); }
  const char* tokenizer() const override { return nullptr; }
  Tensor tensor(Weight weight, int layer) const override {
    if (weight == Weight::head_w) weight = Weight::wte;
    const Tensor t = from_.tensor(weight, layer);
    std::vector<float>& own = values_[{weight, layer}];
    own.resize(size_t(t.rows * t.cols));
    for (int64_t i = 0; i < std::ssize(own); ++i) own[size_t(i)] = at(t, i / t.cols, i % t.cols);
    return {own.data(), Type::f32, t.rows, t.cols, t.cols, 1};
  }

 private:
  const Checkpoint& from_;
  mutable std::map<std::pair<Weight, int>, std::vector<float>> values_;
};

TEST(QuantisedWeights, OfAnotherInt4QuantiserAreValuesLikeAnyOthers) {
  const TinyCheckpoint model(odd_shape());
  const auto tokens = some_tokens(20, odd_shape().V);
  const Backend int4{"int4", "cpu-int4", {}, Type::u4};
  using Form = StoredAs::Form;
  for (const auto form : {Form::int4_of_64, Form::int4_factors, Form::int4_scales, Form::int4_negative}) {
    SCOPED_TRACE(static_cast<int>(form));
    const StoredAs stored(model, form);
    const auto own = logits_of(int4, stored, tokens);
    EXPECT_EQ(own, logits_of(int4, Widened(stored), tokens));
    EXPECT_LT(rms_error(own, logits_of(reference_of(contract_of(int4)), stored, tokens)), 0.01 * rms(own));
  }
}

std::string refusal_of(const Checkpoint& model, const char* precision, const OptionValues& options = {}) {
  return error_of([&] {
    make_plugin<Precision>(Kind::precision, precision, options)->open(model, {1, 4, 1, 1, 2, 0, false});
  });
}

TEST(QuantisedWeights, ThatAreNotFiniteAreRefusedByName) {
  for (const char* precision : {"cpu-int8", "cpu-int4"}) {
    for (const float wrong : {INFINITY, -INFINITY, NAN}) {
      TinyCheckpoint model;
      EXPECT_EQ(refusal_of(model, precision), "no error");
      model.values(Weight::down_w, 1)[20 * 3 + 7] = wrong;
      EXPECT_THAT(refusal_of(model, precision), HasSubstr("weight down_w of layer 1: finite numbers"));
      EXPECT_THAT(refusal_of(model, precision), HasSubstr("in row 3, column 7"));
      TinyCheckpoint head;
      head.values(Weight::wte, 0)[0] = wrong;
      for (const char* format : {"int8", "bf16", "fp32"})
        EXPECT_THAT(refusal_of(head, precision, {{"head", format}}), HasSubstr("weight wte: finite numbers"));
    }
    TinyCheckpoint large;  // that BF16 rounds to infinity
    large.values(Weight::wte, 0)[0] = std::numeric_limits<float>::max();
    EXPECT_THAT(refusal_of(large, precision, {{"head", "bf16"}}), HasSubstr("weight wte: finite numbers that bf16"));
  }
  TinyCheckpoint wide;
  wide.values(Weight::up_w, 0)[0] = 3e38f, wide.values(Weight::up_w, 0)[1] = -3e38f;
  EXPECT_THAT(refusal_of(wide, "cpu-int4"), HasSubstr("weight up_w of layer 0: values whose differences"));
}

TEST(QuantisedWeights, WithSumsThatAreTooLongAreRefused) {
  TinyCheckpoint model({.L = 1, .H = 1, .C = 2, .F = 131073, .V = 3, .T = 4, .end_of_text = 2, .epsilon = 1e-5f});
  EXPECT_THAT(refusal_of(model, "cpu-int8"), HasSubstr("131072"));
}

// A checkpoint that keeps what a session has packed, for the next one, and counts what it has given back.
class Keeping final : public Checkpoint {
 public:
  explicit Keeping(const Checkpoint& from) : from_(from) {}

  const ModelConfig& config() const override { return from_.config(); }
  const char* tokenizer() const override { return nullptr; }
  Tensor tensor(Weight weight, int layer) const override { return from_.tensor(weight, layer); }
  PackedWeights packed(Weight weight, int layer, const char* layout) const override {
    const auto found = kept_.find({weight, layer, layout});
    if (found == kept_.end()) return {nullptr, 0};
    ++used_;
    return {found->second.lines.data(), found->second.bytes};
  }
  void keep_packed(std::span<const PackedPart> parts) const override {
    for (const PackedPart& part : parts) {
      Kept& kept = kept_[{part.weight, part.layer, part.layout}];
      kept.bytes = part.packed.bytes;
      kept.lines.resize((kept.bytes + sizeof(Line) - 1) / sizeof(Line));
      std::memcpy(kept.lines.data(), part.packed.data, kept.bytes);
    }
  }
  void release(Weight weight, int layer) const override { released_.insert({weight, layer}); }
  int used() const { return used_; }
  int released() const { return static_cast<int>(released_.size()); }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  struct Kept {
    std::vector<Line> lines;
    size_t bytes;
  };
  const Checkpoint& from_;
  mutable std::map<std::tuple<Weight, int, std::string>, Kept> kept_;
  mutable std::set<std::pair<Weight, int>> released_;
  mutable int used_ = 0;
};

// A matrix of one column is packed like any other. F = 1 makes one of down_w, C = 1 of those that read the residual.
TEST(QuantisedWeights, OfOneColumnArePacked) {
  const ModelConfig shapes[] = {
      {.L = 2, .H = 2, .C = 44, .F = 1, .V = 71, .T = 40, .end_of_text = 22, .epsilon = 1e-5f},
      {.L = 2, .H = 1, .C = 1, .F = 76, .V = 71, .T = 40, .end_of_text = 22, .epsilon = 1e-5f},
      {.L = 1, .H = 1, .C = 1, .F = 1, .V = 3, .T = 40, .end_of_text = 2, .epsilon = 1e-5f}};
  for (const ModelConfig& shape : shapes) {
    const TinyCheckpoint model(shape);
    const auto tokens = some_tokens(20, shape.V);
    for (const Backend& backend : quantised_backends()) {
      SCOPED_TRACE(backend.name + ", C=" + std::to_string(shape.C) + ", F=" + std::to_string(shape.F));
      const Keeping keeping(model);
      const auto own = logits_of(backend, keeping, tokens);
      const auto expected = logits_of(reference_of(contract_of(backend)), model, tokens);
      EXPECT_LE(rms_error(own, expected), cpu::kQuantisedTolerance * rms(expected));
      EXPECT_EQ(keeping.used(), 0);
      EXPECT_EQ(keeping.released(), 12 * shape.L + 4) << "the weights of the layers, wte, wpe, lnf_w and lnf_b";
      EXPECT_EQ(logits_of(backend, keeping, tokens), own);
      EXPECT_GT(keeping.used(), 0);
      if (!backend.options.contains("head")) {
        EXPECT_EQ(logits_of(backend, QuantisedCheckpoint(model, backend.type), tokens), own);
      }
    }
  }
}

TEST(QuantisedWeights, StepBytesAreThoseThatAreRead) {
  // C and F are multiples of a panel and of a group, so that nothing is filled up.
  const TinyCheckpoint model({.L = 3, .H = 2, .C = 64, .F = 256, .V = 128, .T = 4, .end_of_text = 2, .epsilon = 1e-5f});
  const int64_t C = 64, F = 256, layer_vectors = 4 * (2 * C + 3 * C + C + 2 * C + F + C),
                matrices = 4 * C * C + 2 * C * F;
  const int64_t scales = 4 * (3 * C + C + F + C), ends = 4 * 2 * C, head = 128 * C + 4 * 128;
  const auto bytes = [&](const char* precision, const OptionValues& options) {
    const auto maker = make_plugin<Precision>(Kind::precision, precision, options);
    return maker->open(model, {1, 4, 1, 1, 1, 0, false})->traits().step_bytes;
  };
  EXPECT_EQ(bytes("cpu-int8", {}), 3 * (layer_vectors + matrices + scales) + ends + head);
  EXPECT_EQ(bytes("cpu-int4", {}), 3 * (layer_vectors + matrices * 17 / 32 + scales) + ends + head);
  EXPECT_EQ(bytes("cpu-int4", {{"head", "bf16"}}),
            3 * (layer_vectors + matrices * 17 / 32 + scales) + ends + 128 * C * 2);
}

}  // namespace
}  // namespace gpt2run::test
