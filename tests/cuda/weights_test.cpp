// Weights converted on the device have the bits of the host's conversion: from every file type to every compute type,
// whatever the tensor's strides and wherever it is cut into pieces.
#include "../../precisions/cuda/weights.hpp"

#include <gtest/gtest.h>

#include "../../precisions/cuda/plan.hpp"
#include "executor/executor.hpp"
#include "support/error_of.hpp"
#include "support/plugin.hpp"
#include "support/quantised_checkpoint.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

// A checkpoint of one type whose tensors have various strides: plain, with gaps between rows, transposed, transposed
// with gaps, and with every second element unused; all at odd addresses. wte has every 16-bit pattern. The others have
// the extremes of FP32, and patterns spread over all bits. In FP64 there are values besides that round to another one
// if they are not rounded to FP32 first.
class OddCheckpoint final : public Checkpoint {
 public:
  explicit OddCheckpoint(Type type, ModelConfig config) : config_(config), type_(type) {
    for (int w = 0; w < kWeights; ++w) {
      const auto weight = static_cast<Weight>(w);
      for (int layer = 0; layer < (is_per_layer(weight) ? config.L : 1); ++layer) add(weight, layer);
    }
  }

  const ModelConfig& config() const override { return config_; }
  const char* tokenizer() const override { return nullptr; }
  Tensor tensor(Weight weight, int layer) const override { return tensors_.at({weight, layer}); }

 private:
  void add(Weight weight, int layer) {
    const Shape shape = shape_of(weight, config_);
    const int layout = (static_cast<int>(weight) + layer) % 5;
    Tensor t{nullptr, type_, shape.rows, shape.cols, shape.cols, 1};
    if (layout == 1) t.row_stride = shape.cols + 3;
    if (layout == 2) t.row_stride = 1, t.col_stride = shape.rows;
    if (layout == 3) t.row_stride = 1, t.col_stride = shape.rows + 5;
    if (layout == 4) t.row_stride = 2 * shape.cols, t.col_stride = 2;
    const int64_t elements = (shape.rows - 1) * t.row_stride + (shape.cols - 1) * t.col_stride + 1;
    std::vector<char>& bytes = bytes_[{weight, layer}];
    bytes.assign(elements * bytes_of(type_) + 1, '\x55');
    t.data = bytes.data() + 1;
    for (int64_t i = 0; i < shape.rows * shape.cols; ++i) {
      const int64_t at = i / shape.cols * t.row_stride + i % shape.cols * t.col_stride;
      const uint64_t bits = bits_of(static_cast<uint32_t>(i), static_cast<uint32_t>(weight) + layer);
      std::memcpy(bytes.data() + 1 + at * bytes_of(type_), &bits, bytes_of(type_));
    }
    tensors_[{weight, layer}] = t;
  }

  uint64_t bits_of(uint32_t i, uint32_t seed) const {
    if (type_ == Type::f64) {
      const double ends[] = {0x1.00200000001p0, 0x1.0020000001p-14, 0x1.01000000001p0, 1e300,    -1e39,
                             0x1.ffffffp127,    0x1p-150,           0x1p-1074,         INFINITY, -0.0};
      if (i < std::size(ends)) return std::bit_cast<uint64_t>(ends[i]);
      const auto spread = std::bit_cast<float>(i * 2654435761u + seed * 40503u);
      return std::bit_cast<uint64_t>(double{spread} * (1 + 0x1p-26));  // between two values of FP32
    }
    if (type_ != Type::f32) return i + seed * 4099;
    const float ends[] = {0x1p-149f,  -0x1p-126f, 0x1p-24f,        0x1.8p-25f,    0x1p-25f, 65504.0f,
                          65519.996f, -65520.0f,  0x1.fffffep127f, -0x1.fep127f,  INFINITY, -INFINITY,
                          NAN,        -0.0f,      0x1p-14f,        1.00048828125f};
    if (i < std::size(ends)) return std::bit_cast<uint32_t>(ends[i]);
    return i * 2654435761u + seed * 40503u;  // includes NaN with payloads
  }

  ModelConfig config_;
  Type type_;
  std::map<std::pair<Weight, int>, std::vector<char>> bytes_;
  std::map<std::pair<Weight, int>, Tensor> tensors_;
};

// An element as the host converts it, with overflow=saturate.
template <class Value>
Value expected_of(float from) {
  const Value own = from_f32<Value>(from);
  if (!std::isinf(to_f32(own)) || std::isinf(from)) return own;
  return from_f32<Value>(std::copysign(largest_of(cuda::kTypeOf<Value>), from));
}

template <class Value>
int64_t wrong_in(const cuda::DeviceMatrix<Value>& matrix, const Tensor& t) {
  int64_t wrong = matrix.outputs != t.rows;
  for (int64_t r = 0; r < t.rows; ++r) {
    for (int64_t c = 0; c < matrix.stride; ++c) {
      const Value expected = c < t.cols ? expected_of<Value>(at(t, r, c)) : Value{};
      wrong += std::memcmp(&matrix.data[r * matrix.stride + c], &expected, sizeof expected) != 0;
    }
  }
  return wrong;
}

template <class Value>
int64_t wrong_in(const float* vector, const Tensor& t) {
  int64_t wrong = 0;
  for (int64_t r = 0; r < t.rows; ++r) {
    const float expected = to_f32(expected_of<Value>(at(t, r, 0)));
    wrong += std::memcmp(&vector[r], &expected, sizeof expected) != 0;
  }
  return wrong;
}

template <class Value>
void expect_converted(const Checkpoint& checkpoint, size_t staged) {
  void* stream = cuda::make_stream();
  const auto w = cuda::WeightLoader<Value>(checkpoint, Overflow::saturate, stream, staged).load(cuda::Epilogue::fused);
  cuda::wait(stream);
  const executor::OpenMemory open;
  const auto expect_matrix = [&](const cuda::DeviceMatrix<Value>& matrix, Weight weight, int layer = 0) {
    EXPECT_EQ(wrong_in(matrix, checkpoint.tensor(weight, layer)), 0) << name_of(weight) << " " << layer;
  };
  const auto expect_vector = [&](const float* vector, Weight weight, int layer = 0) {
    EXPECT_EQ(wrong_in<Value>(vector, checkpoint.tensor(weight, layer)), 0) << name_of(weight) << " " << layer;
  };
  expect_matrix(w.embedding.wte, Weight::wte), expect_matrix(w.embedding.wpe, Weight::wpe);
  for (int l = 0; l < checkpoint.config().L; ++l) {
    const auto& own = w.layers[l];
    expect_vector(own.ln1_w, Weight::ln1_w, l), expect_vector(own.ln1_b, Weight::ln1_b, l);
    expect_vector(own.qkv_b, Weight::qkv_b, l), expect_vector(own.proj_b, Weight::proj_b, l);
    expect_vector(own.ln2_w, Weight::ln2_w, l), expect_vector(own.ln2_b, Weight::ln2_b, l);
    expect_vector(own.up_b, Weight::up_b, l), expect_vector(own.down_b, Weight::down_b, l);
    expect_matrix(own.qkv_w, Weight::qkv_w, l), expect_matrix(own.proj_w, Weight::proj_w, l);
    expect_matrix(own.up_w, Weight::up_w, l), expect_matrix(own.down_w, Weight::down_w, l);
    expect_matrix({own.qkv_typed, 3 * w.config.C, 1}, Weight::qkv_b, l);
    expect_matrix({own.up_typed, w.config.F, 1}, Weight::up_b, l);
  }
  expect_vector(w.head.lnf_w, Weight::lnf_w), expect_vector(w.head.lnf_b, Weight::lnf_b);
  expect_matrix(w.head.w, Weight::head_w);
  cuda::release_stream(stream);
}

class DeviceWeights : public testing::TestWithParam<Type> {};

TEST_P(DeviceWeights, AreThoseOfTheHost) {
  const OddCheckpoint every_pattern(
      GetParam(), {.L = 1, .H = 2, .C = 52, .F = 100, .V = 1300, .T = 30, .end_of_text = -1, .epsilon = 1e-5f});
  const OddCheckpoint tiny(GetParam(),
                           {.L = 3, .H = 1, .C = 6, .F = 10, .V = 17, .T = 9, .end_of_text = -1, .epsilon = 1e-5f});
  const auto expect_all = [&]<class Value>(Value) {
    expect_converted<Value>(every_pattern, 20000);  // pieces of whole lines
    expect_converted<Value>(tiny, 20);              // pieces of parts of lines
  };
  expect_all(float{}), expect_all(f16{}), expect_all(bf16{});
}
INSTANTIATE_TEST_SUITE_P(Files, DeviceWeights, testing::Values(Type::f32, Type::f16, Type::bf16, Type::f64),
                         [](const auto& type) { return name_of(type.param); });

TEST(DeviceWeights, OfQuantisedFilesAreTheExactValues) {
  const TinyCheckpoint tiny;
  for (const Type type : {Type::i8, Type::u4}) {
    const QuantisedCheckpoint quantised(tiny, type);
    for (const size_t staged : {20, 20000}) {
      expect_converted<float>(quantised, staged);
      expect_converted<f16>(quantised, staged);
      expect_converted<bf16>(quantised, staged);
    }
  }
}

// The error is the same as the CPU's, which names the first tensor too.
TEST(DeviceOverflow, NamesTheTensorThatTheCpuNames) {
  const Limits limits = {
      .slots = 1, .context = 8, .rows = 4, .logit_rows = 1, .threads = 1, .device = 0, .keep_raw = false};
  const std::pair<Weight, int> beyond[] = {
      {Weight::lnf_b, 0}, {Weight::qkv_w, 1}, {Weight::down_b, 1}, {Weight::down_w, 0}, {Weight::wpe, 0}};
  TinyCheckpoint checkpoint;
  for (const auto& [weight, layer] : beyond) {
    checkpoint.values(weight, layer)[5] = -65520, checkpoint.values(weight, layer)[7] = 1e9f;
    const auto cpu = make_plugin<Precision>(Kind::precision, "cpu-fp16", {});
    const std::string expected = error_of([&] { cpu->open(checkpoint, limits); });
    EXPECT_NE(expected.find(name_of(weight)), std::string::npos) << expected;
    EXPECT_EQ(error_of([&] { cuda::WeightLoader<f16>(checkpoint, Overflow::error, nullptr, 64).load(); }), expected);
  }
}

// "few0+3" for a range of 3 rows from row 0 that is not batched, "many3+9" for 9 batched rows from row 3.
std::string text_of(std::span<const cuda::RowRange> ranges) {
  std::string text;
  for (const cuda::RowRange& s : ranges)
    text += (text.empty() ? "" : " ") + std::string(s.batched ? "many" : "few") + std::to_string(s.first) + "+" +
            std::to_string(s.count);
  return text;
}

// The step has three decoding slots, two prompts, another decoding slot, and a short prompt.
TEST(StepPlan, IsTheOptionsOwn) {
  std::vector<Row> rows = {{0, kSampled, true}, {4, kSampled, true}, {1, kSampled, true}};
  for (int i = 0; i < 9; ++i) rows.push_back({2, 1, true});
  for (int i = 0; i < 20; ++i) rows.push_back({3, 1, i == 19});
  rows.push_back({5, 1, true});
  for (int i = 0; i < 8; ++i) rows.push_back({6, 1, false});
  const Limits limits = {
      .slots = 7, .context = 40, .rows = 60, .logit_rows = 60, .threads = 0, .device = 0, .keep_raw = false};
  const auto plan = [&](cuda::Invariant invariant, auto check) {
    cuda::StepPlanner planner(invariant, limits);
    for (int again = 0; again < 2; ++again) {
      const cuda::DeviceStep step = planner.plan(rows);
      EXPECT_EQ(step.rows, 41);
      EXPECT_EQ(step.logit_rows, 14);
      EXPECT_EQ(text_of(step.attention), "few0+3 many3+9 many12+20 few32+9");
      check(step);
    }
  };
  plan(cuda::Invariant::on, [](const cuda::DeviceStep& step) {
    EXPECT_EQ(text_of(step.products), "few0+3 many3+9 many12+20 few32+9");
    EXPECT_EQ(text_of(step.logits), "few0+3 many3+9 few12+2");
  });
  plan(cuda::Invariant::prefill, [](const cuda::DeviceStep& step) {
    EXPECT_EQ(text_of(step.products), "few0+41");
    EXPECT_EQ(text_of(step.logits), "few0+14");
  });
  plan(cuda::Invariant::off, [](const cuda::DeviceStep& step) {
    EXPECT_EQ(text_of(step.products), "many0+41");
    EXPECT_EQ(text_of(step.logits), "many0+14");
  });
}

TEST(StepPlan, AutoIsOnUpToEightSlots) {
  EXPECT_EQ(cuda::invariant_of("auto", 8), cuda::Invariant::on);
  EXPECT_EQ(cuda::invariant_of("auto", 9), cuda::Invariant::off);
  EXPECT_EQ(cuda::invariant_of("on", 64), cuda::Invariant::on);
  EXPECT_EQ(cuda::invariant_of("off", 1), cuda::Invariant::off);
  EXPECT_EQ(cuda::invariant_of("prefill", 64), cuda::Invariant::prefill);
}

}  // namespace
}  // namespace gpt2run::test
