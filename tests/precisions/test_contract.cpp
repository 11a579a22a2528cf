// The rounding contract, operation by operation on the reference's inputs (lockstep.hpp), and proof that the test sees
// a contract that is broken.
#include "backend.hpp"
#include "lockstep.hpp"
#ifdef GPT2RUN_TEST_PRECISIONS
#include "cuda/lockstep_ops.hpp"
#else
#include "ops.hpp"
#endif

namespace gpt2run::test {
namespace {

constexpr double kEqualShare = 0.99;  // of outputs rounded to 16 bits

// C and F that sixteen does not divide, huge channels that overflow FP16, and sums that are longer than one stretch.
constexpr const char* kModels[] = {"synthetic:L=2,C=52,H=4,F=100,V=301,T=40,std=0.2,seed=3",
                                   "synthetic:L=2,C=96,H=3,F=200,V=301,T=40,std=0.1,outliers=1,seed=4",
                                   "synthetic:L=1,C=104,H=8,F=600,V=101,T=40,std=0.1,seed=5"};

// The other settings that a model may have: each activation function, with and without scores scaled by the layer.
constexpr const char* kSettings[] = {
    "synthetic:L=3,C=52,H=4,F=100,V=101,T=40,std=0.3,seed=6,activation=gelu_erf",
    "synthetic:L=2,C=52,H=4,F=68,V=101,T=40,std=0.3,seed=7,activation=relu",
    "synthetic:L=3,C=40,H=2,F=68,V=101,T=40,std=0.3,seed=8,activation=silu,scale_by_layer=1",
    "synthetic:L=2,C=52,H=4,F=68,V=101,T=40,std=0.3,seed=9,activation=tanh",
    "synthetic:L=4,C=40,H=2,F=52,V=101,T=40,std=0.3,seed=10,scale_by_layer=1"};

// Two slots at once, then a decode of one beside a chunk of the other.
template <Ops O>
std::map<Op, Deviation> deviations_of(O& ops, Type type, const char* model, double tanh_error = 0) {
  const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  const auto checkpoint = loader->open(model);
  Lockstep<O> lockstep(ops, *checkpoint, limits_for(*checkpoint, 2, 2), type, tanh_error);
  const auto tokens = some_tokens(64, checkpoint->config().V);
  std::vector<HostRow> rows;
  for (int i = 0; i < 21; ++i) rows.push_back({0, i, tokens[i]});
  for (int i = 0; i < 5; ++i) rows.push_back({1, i, tokens[30 + i]});
  const std::vector<int32_t> logit_rows = {0, 20, 25};
  lockstep.run({rows, logit_rows});
  rows = {{0, 21, tokens[40]}};
  for (int i = 5; i < 23; ++i) rows.push_back({1, i, tokens[40 + i]});
  lockstep.run({rows, {logit_rows.data(), 1}});
  return lockstep.deviations();
}

bool rounds(Op op, Type type) {
  return type != Type::f32 && (op == Op::norm_qkv || op == Op::attention || op == Op::norm_up_gelu);
}

#ifdef GPT2RUN_TEST_PRECISIONS
template <class Value, class Run>
void with_ops(const Backend& backend, const Run& run) {
  CudaLockstepOps<Value> ops(cuda::invariant_of(backend.options.at("invariant"), 2),
                             fused(backend) ? cuda::Epilogue::fused : cuda::Epilogue::exact);
  run(ops);
}
#else
template <class Value, class Run>
void with_ops(const Backend& backend, const Run& run) {
  const cpu::Isa isa = cpu::choose_isa(backend.options.at("isa"), backend.type);
  with_packing<Value>(isa, [&](auto packing) {
    cpu::CpuOps<Value, decltype(packing)> ops(isa, 2);
    run(ops);
  });
}
#endif

class Contract : public testing::TestWithParam<Backend> {};

template <Ops O>
void expect_kept(O& ops, const Backend& backend, const char* model) {
  const bool gelu_tanh = std::string_view(model).find("activation=") == std::string_view::npos;
  const double tanh_error = fused(backend) && gelu_tanh ? kFusedTanhError : 0;
  for (const auto& [op, deviation] : deviations_of(ops, backend.type, model, tanh_error)) {
    EXPECT_GT(deviation.outputs, 0) << name_of(op);
    EXPECT_EQ(deviation.outside, 0) << name_of(op) << ", worst " << deviation.worst << " times the allowed error";
    if (!rounds(op, backend.type) || (op == Op::norm_up_gelu && tanh_error > 0)) continue;
    EXPECT_GE(deviation.equal, kEqualShare * deviation.outputs) << name_of(op);
  }
}

void expect_kept(const Backend& backend, std::span<const char* const> models) {
  for (const char* model : models) {
    SCOPED_TRACE(model);
    const auto expect = [&](auto& ops) { expect_kept(ops, backend, model); };
    if (backend.type == Type::f32) with_ops<float>(backend, expect);
    if (backend.type == Type::f16) with_ops<f16>(backend, expect);
    if (backend.type == Type::bf16) with_ops<bf16>(backend, expect);
  }
}

TEST_P(Contract, EveryOperationKeepsIt) { expect_kept(GetParam(), kModels); }
TEST_P(Contract, EveryOperationKeepsItWithOtherSettings) { expect_kept(GetParam(), kSettings); }
INSTANTIATE_TEST_SUITE_P(All, Contract, testing::ValuesIn(fast_backends()), row_name);

// A reference that is wrong at one point of the contract: cut off instead of rounded to the nearest.
struct Truncating : ReferenceOps {
  Truncating(Type type, Point point) : type(type), wrong(point) {}
  float round(Point point, float x) const override {
    const float nearest = round_to(type, x);
    if (point != wrong || std::abs(nearest) <= std::abs(x)) return nearest;
    return nearest - std::copysign(static_cast<float>(unit_of(type, std::abs(nearest) / 2)), x);
  }
  Type type;
  Point wrong;
};

bool broken(const std::map<Op, Deviation>& deviations, Type type) {
  bool found = false;
  for (const auto& [op, deviation] : deviations)
    found |= deviation.outside > 0 || (rounds(op, type) && deviation.equal < kEqualShare * deviation.outputs);
  return found;
}

TEST(BrokenContract, TruncationIsSeenAtEveryPoint) {
  for (const Type type : {Type::bf16, Type::f16}) {
    for (const Point point : {Point::weight, Point::norm, Point::qkv, Point::attention, Point::gelu}) {
      Truncating wrong(type, point);
      EXPECT_TRUE(broken(deviations_of(wrong, type, kModels[0]), type)) << name_of(type) << " " << int(point);
    }
    TypedReference right(type);
    EXPECT_FALSE(broken(deviations_of(right, type, kModels[0]), type));
  }
}

TEST(BrokenContract, AnotherTypeIsSeen) {
  TypedReference exact(Type::f32);
  EXPECT_TRUE(broken(deviations_of(exact, Type::f16, kModels[0]), Type::f16));
  TypedReference coarse(Type::f16);
  EXPECT_TRUE(broken(deviations_of(coarse, Type::f32, kModels[0]), Type::f32));
}

// Which values of an operation are infinite.
struct InfinityTap : Tap {
  explicit InfinityTap(std::string op) : op(std::move(op)) {}
  bool tensor(const char* name, int, float* host, int rows, int cols) override {
    if (name != op) return false;
    for (int64_t i = 0; i < int64_t(rows) * cols; ++i) infinite.push_back(std::isinf(host[i]) ? host[i] : 0);
    return false;
  }
  std::string op;
  std::vector<float> infinite;
};

class Overflow : public testing::TestWithParam<Backend> {};

TEST_P(Overflow, IsInfinityWhereTheReferenceHasIt) {
  const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  const auto checkpoint = loader->open("synthetic:L=2,C=96,H=3,F=200,V=301,T=40,outliers=1");
  const auto tokens = some_tokens(30, checkpoint->config().V);
  std::vector<std::vector<float>> infinite;
  for (const Backend& backend : {GetParam(), reference(GetParam().type)}) {
    const auto session = make_precision(backend)->open(*checkpoint, limits_for(*checkpoint));
    InfinityTap tap("norm_qkv");
    ASSERT_TRUE(session->tap(&tap));
    for (const float logit : feed(*session, 0, tokens)) ASSERT_TRUE(std::isfinite(logit));
    infinite.push_back(tap.infinite);
  }
  EXPECT_EQ(infinite[0], infinite[1]);
  const auto finite = std::count(infinite[0].begin(), infinite[0].end(), 0.0f);
  EXPECT_EQ(finite < std::ssize(infinite[0]), GetParam().type == Type::f16) << "only FP16 overflows at these values";
}
INSTANTIATE_TEST_SUITE_P(All, Overflow, testing::ValuesIn(fast_backends()), row_name);

}  // namespace
}  // namespace gpt2run::test
