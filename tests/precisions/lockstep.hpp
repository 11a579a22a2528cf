// Runs an Ops set one operation at a time on the reference's inputs: before every operation the reference's state is
// copied over the set's own, so that each output is judged alone, however deep in the network.
// How far an output may be off is a formula: one unit in the last place of the type it is written in, and
// 2^-20 sum|a b| for FP32 sums taken in another order (sixteen times FP32's unit roundoff, more than a sum of 4096
// terms over 16 lanes can lose; no activation function enlarges it more than 1.13 times). A path whose tanh has an
// error of its own may be off by that much of half of GELU's input more, which is no larger than sum|a b|.
#pragma once
#include <cmath>
#include <map>

#include "gpt2run/sdk/reference.hpp"

namespace gpt2run::test {

struct TypedReference : ReferenceOps {
  explicit TypedReference(Type type) : type(type) {}
  float round(Point, float x) const override { return round_to(type, x); }
  Type type;
};

// Distance from |x| to the next larger value of the type.
inline double unit_of(Type type, double x) {
  const int digits = type == Type::f32 ? 23 : type == Type::f16 ? 10 : 7;
  const int least = type == Type::f16 ? -14 : -126;
  return std::ldexp(1.0, (x == 0 ? least : std::max(std::ilogb(x), least)) - digits);
}

// sum|a b| behind every output of an operation, in the shape of HostState::written. Weights and state are the
// reference's, the state as it was before the operation.
class Magnitudes {
 public:
  Magnitudes(const TypedReference& ops, const ReferenceWeights& weights) : ops_(ops), w_(weights) {}

  std::vector<double> of(Op op, int layer, const HostState<float>& s, const HostStep& step) const {
    std::vector<double> out;
    for (int r = 0; r < std::ssize(step.rows); ++r) {
      const HostRow& row = step.rows[r];
      const float* x = &s.x[size_t(r) * s.config.C];
      if (op == Op::embed) append_embedding(row, out);
      if (op == Op::attention) append_attention(s, row, r, layer, out);
      if (op == Op::norm_logits || layer < 0) continue;
      const auto& w = w_.layers[layer];
      const int C = s.config.C, F = s.config.F;
      if (op == Op::norm_qkv) append(w.qkv_w, normed(x, w.ln1_w, w.ln1_b), &w.qkv_b, nullptr, out);
      if (op == Op::project_add) append(w.proj_w, inputs(&s.a[size_t(r) * C], C), &w.proj_b, x, out);
      if (op == Op::norm_up_gelu) append(w.up_w, normed(x, w.ln2_w, w.ln2_b), &w.up_b, nullptr, out);
      if (op == Op::down_add) append(w.down_w, inputs(&s.h[size_t(r) * F], F), &w.down_b, x, out);
    }
    if (op == Op::norm_logits) append_logits(s, step, out);
    return out;
  }

 private:
  static std::vector<double> inputs(const float* values, int count) { return {values, values + count}; }

  std::vector<double> normed(const float* x, const std::vector<float>& gain, const std::vector<float>& bias) const {
    const size_t C = gain.size();
    double mean = 0, variance = 0;
    for (size_t c = 0; c < C; ++c) mean += x[c] / double(C);
    for (size_t c = 0; c < C; ++c) variance += (x[c] - mean) * (x[c] - mean) / double(C);
    std::vector<double> out(C);
    for (size_t c = 0; c < C; ++c)
      out[c] =
          ops_.round(Point::norm, float((x[c] - mean) / std::sqrt(variance + w_.config.epsilon) * gain[c] + bias[c]));
    return out;
  }

  static void append(std::span<const float> w, const std::vector<double>& in, const std::vector<float>* bias,
                     const float* residual, std::vector<double>& out) {
    const size_t K = in.size();
    for (size_t o = 0; o < w.size() / K; ++o) {
      double sum = (bias ? std::abs((*bias)[o]) : 0) + (residual ? std::abs(residual[o]) : 0);
      for (size_t k = 0; k < K; ++k) sum += std::abs(w[o * K + k] * in[k]);
      out.push_back(sum);
    }
  }

  void append_embedding(const HostRow& row, std::vector<double>& out) const {
    const size_t C = w_.config.C;
    for (size_t c = 0; c < C; ++c)
      out.push_back(std::abs(w_.embedding.wte[row.token * C + c]) + std::abs(w_.embedding.wpe[row.position * C + c]));
  }

  // A score that is off by e changes a probability by a factor of e^2e at most, so the products q k count too:
  // sum p|v| (1 + 2 max sum|q k| / divisor), the maximum over positions that are not masked by an infinite score.
  void append_attention(const HostState<float>& s, const HostRow& row, int r, int layer,
                        std::vector<double>& out) const {
    const int C = s.config.C, D = C / s.config.H;
    const double divisor = std::sqrt(D) * (s.config.scale_by_layer ? layer + 1 : 1);
    for (int head = 0; head < s.config.H; ++head) {
      std::vector<double> score, sum(D);
      double maximum = -INFINITY, total = 0, products = 0;
      for (int t = 0; t <= row.position; ++t) {
        double dot = 0, magnitude = 0;
        for (int d = 0; d < D; ++d) {
          const double product =
              double(s.q[size_t(r) * C + head * D + d]) * s.keys[s.cache(layer, row.slot, head, t) + d];
          dot += product, magnitude += std::abs(product);
        }
        score.push_back(dot / divisor), maximum = std::max(maximum, score.back());
        if (std::isfinite(magnitude)) products = std::max(products, magnitude / divisor);
      }
      for (double& each : score) total += each = std::exp(each - maximum);
      for (int t = 0; t <= row.position; ++t) {
        for (int d = 0; d < D; ++d)
          sum[d] += score[t] / total * std::abs(s.values[s.cache(layer, row.slot, head, t) + d]);
      }
      for (const double each : sum) out.push_back(each * (1 + 2 * products));
    }
  }

  void append_logits(const HostState<float>& s, const HostStep& step, std::vector<double>& out) const {
    const size_t C = s.config.C;
    for (const int32_t r : step.logit_rows)
      append({w_.head.w, size_t(s.config.V) * C}, normed(&s.x[r * C], w_.head.lnf_w, w_.head.lnf_b), nullptr, nullptr,
             out);
  }

  const TypedReference& ops_;
  const ReferenceWeights& w_;
};

// What an operation's outputs were, all calls together.
struct Deviation {
  int64_t outputs = 0, equal = 0, outside = 0;
  double worst = 0;  // error over the allowed error
};

template <Ops O>
class Lockstep {
 public:
  // tanh_error: relative, of what the set's GELU takes for tanh.
  Lockstep(O& own, const Checkpoint& checkpoint, const Limits& limits, Type type, double tanh_error)
      : type_(type),
        tanh_error_(tanh_error),
        expected_(type),
        own_(own),
        weights_(expected_.load(checkpoint)),
        own_weights_(own.load(checkpoint)),
        state_(checkpoint.config(), limits),
        own_state_(checkpoint.config(), limits) {}

  void run(const HostStep& step) {
    const Magnitudes magnitudes(expected_, weights_);
    visit(Op::embed, -1, step, magnitudes, [&](auto& ops, auto& w, auto& s) { ops.embed(w.embedding, s, step); });
    for (int l = 0; l < weights_.config.L; ++l) {
      visit(Op::norm_qkv, l, step, magnitudes,
            [&](auto& ops, auto& w, auto& s) { ops.norm_qkv(w.layers[l], s, step, l); });
      visit(Op::attention, l, step, magnitudes, [&](auto& ops, auto&, auto& s) { ops.attention(s, step, l); });
      visit(Op::project_add, l, step, magnitudes,
            [&](auto& ops, auto& w, auto& s) { ops.project_add(w.layers[l], s, step); });
      visit(Op::norm_up_gelu, l, step, magnitudes,
            [&](auto& ops, auto& w, auto& s) { ops.norm_up_gelu(w.layers[l], s, step); });
      visit(Op::down_add, l, step, magnitudes,
            [&](auto& ops, auto& w, auto& s) { ops.down_add(w.layers[l], s, step); });
    }
    visit(Op::norm_logits, -1, step, magnitudes,
          [&](auto& ops, auto& w, auto& s) { ops.norm_logits(w.head, s, step); });
  }

  const std::map<Op, Deviation>& deviations() const { return deviations_; }

 private:
  template <class Run>
  void visit(Op op, int layer, const HostStep& step, const Magnitudes& magnitudes, Run run) {
    copy_state();
    const std::vector<double> magnitude = magnitudes.of(op, layer, state_, step);
    run(own_, own_weights_, own_state_);
    run(expected_, weights_, state_);
    std::vector<float> scratch, own_scratch;
    const Matrix expected = state_.written(op, layer, step, scratch);
    const Matrix own = own_state_.written(op, layer, step, own_scratch);
    const bool rounded = op == Op::norm_qkv || op == Op::attention || op == Op::norm_up_gelu;
    const double share = 0x1p-20 + (op == Op::norm_up_gelu ? tanh_error_ / 2 : 0);
    for (size_t i = 0; i < magnitude.size(); ++i)
      judge(own.data[i], expected.data[i], magnitude[i] * share, rounded ? type_ : Type::f32, deviations_[op]);
  }

  // Everything that an operation may read.
  void copy_state() {
    own_state_.x = state_.x, own_state_.q = state_.q, own_state_.a = state_.a, own_state_.h = state_.h;
    const auto narrow = [](const std::vector<float>& from, auto& to) {
      for (size_t i = 0; i < from.size(); ++i) to[i] = from_f32<std::decay_t<decltype(to[0])>>(from[i]);
    };
    narrow(state_.values, own_state_.values);
    const ModelConfig& m = state_.config;
    for (int layer = 0; layer < m.L; ++layer) {
      for (int i = 0; i < state_.slots * state_.context * m.C; ++i) {
        const int slot = i / m.C / state_.context, t = i / m.C % state_.context, head = i % m.C / (m.C / m.H);
        const int d = i % (m.C / m.H);
        auto& own = own_state_.keys[own_state_.key(layer, slot, head, t, d)];
        own = from_f32<std::decay_t<decltype(own)>>(state_.keys[state_.key(layer, slot, head, t, d)]);
      }
    }
  }

  // more: what it may be off beside the type's unit.
  static void judge(float own, float expected, double more, Type type, Deviation& deviation) {
    ++deviation.outputs;
    if (own == expected) {
      ++deviation.equal;
      return;
    }
    const double allowed = unit_of(type, std::max(std::abs(own), std::abs(expected))) + more;
    const double error = std::abs(double(own) - expected) / allowed;
    if (!(error <= 1)) ++deviation.outside;  // NaN is outside
    deviation.worst = std::max(deviation.worst, error);
  }

  Type type_;
  double tanh_error_;
  TypedReference expected_;
  O& own_;
  ReferenceWeights weights_;
  typename O::Weights own_weights_;
  HostState<float> state_;
  typename O::State own_state_;
  std::map<Op, Deviation> deviations_;
};

}  // namespace gpt2run::test
