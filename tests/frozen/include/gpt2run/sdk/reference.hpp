// ReferenceOps: the slow and readable implementation that defines every precision. It has plain loops, sums in double,
// and the whole rounding contract in one function, round(). To define a precision of your own, derive from it, override
// round(), and make a plugin of it:
//
//   struct Coarse : gpt2run::ReferenceOps {
//     using ReferenceOps::ReferenceOps;
//     float round(gpt2run::Point, float x) const override { return std::round(x * 256) / 256; }
//   };
//   GPT2RUN_PLUGIN = gpt2run::precision_plugin<Coarse>("coarse", "values in steps of 1/256");
//
// A contract in which the values of a row share a scale, or which differs from place to place, overrides round_row()
// too.
#pragma once
#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/host_session.hpp"

namespace gpt2run {

// The points where a rounding contract rounds (docs/numerics.md). Everything else stays FP32 in every contract:
// products, sums, biases, scores, softmax, probabilities, the activation function's input, the residual, layernorm's
// intermediate values and logits.
enum class Point : uint8_t {
  weight,     // weights, biases, layernorm gains and embeddings, once at load
  norm,       // output of layernorm
  qkv,        // q, k and v after the bias
  attention,  // output of attention
  gelu,       // output of the model's activation function, which is GELU's tanh form in GPT-2
};

// What a row at Point::qkv is.
enum class Projection : uint8_t { none, q, k, v };

// Where in the network a row is rounded.
struct Site {
  Point point;
  // The operation that writes the row. For a weight: the one that reads it.
  Op op;
  int layer;  // -1 outside the layers
  // The weight itself, or the matrix whose product reads the row. For q, k and v: the matrix that they come from.
  Weight weight;
  Projection projection = Projection::none;
  int64_t row = 0;                 // row of the matrix, or of the step
  Type stored = Type::f32;         // type of a weight in the model's files
  const Tensor* tensor = nullptr;  // the weight there
};

// The operation that reads a weight. If the head is tied, wte belongs to norm_logits.
constexpr Op op_of(Weight weight) {
  if (weight <= Weight::wpe) return Op::embed;
  if (weight <= Weight::qkv_b) return Op::norm_qkv;
  if (weight <= Weight::proj_b) return Op::project_add;
  if (weight <= Weight::up_b) return Op::norm_up_gelu;
  return weight <= Weight::down_b ? Op::down_add : Op::norm_logits;
}

// The weights after rounding, as FP32: row-major (out, in) matrices, and vectors.
struct ReferenceWeights {
  struct Embedding {
    std::vector<float> wte, wpe;  // (V, C), (T, C)
  };
  struct Layer {
    std::vector<float> ln1_w, ln1_b, qkv_w, qkv_b, proj_w, proj_b, ln2_w, ln2_b, up_w, up_b, down_w, down_b;
    int layer;  // number of the layer
  };
  struct Head {
    std::vector<float> lnf_w, lnf_b;
    const float* w;  // (V, C): the embedding's wte if tied, else `own`
    std::vector<float> own;
  };
  ModelConfig config;
  Embedding embedding;
  std::vector<Layer> layers;
  Head head;
};

// The tanh approximation, which GPT-2 was trained with.
inline double gelu(double x) { return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }

// The activation functions. NaN gives NaN. So does -infinity in both forms of GELU and in silu, as it is then
// multiplied by 0. x Phi(x), the other form of GELU, is written with erfc, which keeps its digits where Phi is small.
inline double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::gelu_tanh:
      return gelu(x);
    case Activation::gelu_erf:
      return 0.5 * x * std::erfc(-0.7071067811865476 * x);
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
  }
  fail("the model: an activation function of gpt2run/loader.hpp expected, found number ", static_cast<int>(activation));
}

class ReferenceOps {
 public:
  using Weights = ReferenceWeights;
  using State = HostState<float>;
  using Step = HostStep;

  ReferenceOps() = default;
  ReferenceOps(const Options&, const Host&) {}
  virtual ~ReferenceOps() = default;

  // The options that give the plugin `reference` the same contract (Traits::contract), or "" if there are none.
  virtual const char* contract() const { return ""; }

  // Rounds x to the nearest value that the contract has at this point. Must be a pure function: it is called any number
  // of times, from any thread.
  virtual float round(Point point, float x) const = 0;

  // Rounds a row in place, which by default is round() for each value. The rows are: a row of a matrix, a whole vector,
  // the output of a layernorm (C), of attention (C) and of the activation function (F) for one row of the step, and q,
  // k or v of one head (D). Must depend on its arguments only, as round(). Throws Error for weights that it refuses.
  virtual void round_row(const Site& site, std::span<float> row) const {
    for (float& x : row) x = round(site.point, x);
  }

  // Rounds a row that a tap has changed as the operation rounds what it writes.
  void round_taken(const ModelConfig& m, Op op, int layer, int row, std::span<float> values) const {
    if (op == Op::attention) round_row({Point::attention, op, layer, Weight::proj_w, Projection::none, row}, values);
    if (op == Op::norm_up_gelu) round_row({Point::gelu, op, layer, Weight::down_w, Projection::none, row}, values);
    if (op != Op::norm_qkv) return;
    const size_t D = m.C / m.H;
    for (int i = 0; i < 3; ++i) {
      for (int head = 0; head < m.H; ++head)
        round_row({Point::qkv, op, layer, Weight::qkv_w, static_cast<Projection>(i + 1), row},
                  values.subspan(size_t(i) * m.C + head * D, D));
    }
  }

  Weights load(const Checkpoint& checkpoint) const {
    Weights w;
    w.config = checkpoint.config();
    const bool tied = checkpoint.tensor(Weight::head_w, 0).data == checkpoint.tensor(Weight::wte, 0).data;
    const auto get = [&](Weight weight, int layer = -1) {
      const Tensor tensor = checkpoint.tensor(weight, std::max(layer, 0));
      const Op op = weight == Weight::wte && tied ? Op::norm_logits : op_of(weight);
      return rounded(tensor, {Point::weight, op, layer, weight, Projection::none, 0, tensor.type, &tensor});
    };
    w.embedding = {get(Weight::wte), get(Weight::wpe)};
    for (int l = 0; l < w.config.L; ++l) {
      w.layers.push_back({get(Weight::ln1_w, l), get(Weight::ln1_b, l), get(Weight::qkv_w, l), get(Weight::qkv_b, l),
                          get(Weight::proj_w, l), get(Weight::proj_b, l), get(Weight::ln2_w, l), get(Weight::ln2_b, l),
                          get(Weight::up_w, l), get(Weight::up_b, l), get(Weight::down_w, l), get(Weight::down_b, l),
                          l});
    }
    w.head = {get(Weight::lnf_w), get(Weight::lnf_b), nullptr, {}};
    if (!tied) w.head.own = get(Weight::head_w);
    w.head.w = tied ? w.embedding.wte.data() : w.head.own.data();  // stays valid when the vector is moved
    return w;
  }

  void embed(const Weights::Embedding& w, State& s, const Step& step) const {
    const size_t C = s.config.C;
    for (size_t r = 0; r < step.rows.size(); ++r) {
      const float* token = &w.wte[step.rows[r].token * C];
      const float* position = &w.wpe[step.rows[r].position * C];
      for (size_t c = 0; c < C; ++c) s.x[r * C + c] = token[c] + position[c];
    }
  }

  void norm_qkv(const Weights::Layer& w, State& s, const Step& step, int layer) const {
    const int C = s.config.C, H = s.config.H, D = C / H;
    std::vector<float> normed(C), qkv(3 * C);
    for (size_t r = 0; r < step.rows.size(); ++r) {
      Site site{Point::norm, Op::norm_qkv, layer, Weight::qkv_w, Projection::none, static_cast<int64_t>(r)};
      norm(s, site, &s.x[r * C], w.ln1_w.data(), w.ln1_b.data(), normed.data());
      for (int o = 0; o < 3 * C; ++o)
        qkv[o] = static_cast<float>(dot(&w.qkv_w[size_t(o) * C], normed.data(), C) + w.qkv_b[o]);
      site.point = Point::qkv;
      for (int head = 0; head < H; ++head) {
        const size_t at = s.cache(layer, step.rows[r].slot, head, step.rows[r].position);
        float* const to[] = {&s.q[r * C + size_t(head) * D], &s.keys[at], &s.values[at]};
        for (int i = 0; i < 3; ++i) {
          const std::span<float> row(&qkv[size_t(i) * C + size_t(head) * D], D);
          site.projection = static_cast<Projection>(i + 1);
          round_row(site, row);
          std::copy(row.begin(), row.end(), to[i]);
        }
      }
    }
  }

  void attention(State& s, const Step& step, int layer) const {
    const int C = s.config.C, D = C / s.config.H;
    const double divisor = std::sqrt(double(D)) * (s.config.scale_by_layer ? layer + 1 : 1);
    std::vector<double> weight(s.context), sum(D);
    for (size_t r = 0; r < step.rows.size(); ++r) {
      for (int head = 0; head < s.config.H; ++head) {
        const float* q = &s.q[r * C + head * D];
        const float* keys = &s.keys[s.cache(layer, step.rows[r].slot, head, 0)];
        const float* values = &s.values[s.cache(layer, step.rows[r].slot, head, 0)];
        const int length = step.rows[r].position + 1;
        softmax_scores(q, keys, D, length, divisor, weight.data());
        std::fill(sum.begin(), sum.end(), 0.0);
        for (int t = 0; t < length; ++t) {
          for (int d = 0; d < D; ++d) sum[d] += weight[t] * values[size_t(t) * D + d];
        }
        for (int d = 0; d < D; ++d) s.a[r * C + size_t(head) * D + d] = static_cast<float>(sum[d]);
      }
      round_row({Point::attention, Op::attention, layer, Weight::proj_w, Projection::none, static_cast<int64_t>(r)},
                {&s.a[r * C], size_t(C)});
    }
  }

  void project_add(const Weights::Layer& w, State& s, const Step& step) const {
    linear_add(w.proj_w, w.proj_b, s.a.data(), s.config.C, s, step);
  }

  void norm_up_gelu(const Weights::Layer& w, State& s, const Step& step) const {
    const size_t C = s.config.C, F = s.config.F;
    std::vector<float> normed(C);
    for (size_t r = 0; r < step.rows.size(); ++r) {
      Site site{Point::norm, Op::norm_up_gelu, w.layer, Weight::up_w, Projection::none, static_cast<int64_t>(r)};
      norm(s, site, &s.x[r * C], w.ln2_w.data(), w.ln2_b.data(), normed.data());
      for (size_t f = 0; f < F; ++f) {
        const float up = static_cast<float>(dot(&w.up_w[f * C], normed.data(), C) + w.up_b[f]);
        s.h[r * F + f] = static_cast<float>(activated(s.config.activation, up));
      }
      site.point = Point::gelu, site.weight = Weight::down_w;
      round_row(site, {&s.h[r * F], F});
    }
  }

  void down_add(const Weights::Layer& w, State& s, const Step& step) const {
    linear_add(w.down_w, w.down_b, s.h.data(), s.config.F, s, step);
  }

  void norm_logits(const Weights::Head& w, State& s, const Step& step) const {
    const size_t C = s.config.C;
    std::vector<float> normed(C);
    for (size_t i = 0; i < step.logit_rows.size(); ++i) {
      const int32_t row = step.logit_rows[i];
      norm(s, {Point::norm, Op::norm_logits, -1, Weight::head_w, Projection::none, row}, &s.x[row * C], w.lnf_w.data(),
           w.lnf_b.data(), normed.data());
      for (int v = 0; v < s.config.V; ++v)
        s.logits[i * s.stride + v] = static_cast<float>(dot(&w.w[v * C], normed.data(), C));
    }
  }

 private:
  // The weight as FP32, rounded row by row. site: that of row 0.
  std::vector<float> rounded(const Tensor& t, Site site) const {
    std::vector<float> values(t.rows * t.cols);
    for (int64_t r = 0; r < t.rows; ++r) {
      for (int64_t c = 0; c < t.cols; ++c) values[r * t.cols + c] = at(t, r, c);
    }
    const int64_t rows = is_matrix(site.weight) ? t.rows : 1, width = std::ssize(values) / rows;
    for (; site.row < rows; ++site.row) round_row(site, {&values[site.row * width], static_cast<size_t>(width)});
    return values;
  }

  static double dot(const float* a, const float* b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += double(a[i]) * b[i];
    return sum;
  }

  // out (C) = round(layernorm(x (C)) gain + bias)
  void norm(const State& s, const Site& site, const float* x, const float* gain, const float* bias, float* out) const {
    const int C = s.config.C;
    double mean = 0, variance = 0;
    for (int c = 0; c < C; ++c) mean += x[c];
    mean /= C;
    for (int c = 0; c < C; ++c) variance += (x[c] - mean) * (x[c] - mean);
    const double scale = 1 / std::sqrt(variance / C + s.config.epsilon);
    for (int c = 0; c < C; ++c) out[c] = static_cast<float>((x[c] - mean) * scale * gain[c] + bias[c]);
    round_row(site, {out, size_t(C)});
  }

  // weight (length) = softmax(q keys / divisor); keys: (length, D)
  static void softmax_scores(const float* q, const float* keys, int D, int length, double divisor, double* weight) {
    double maximum = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int t = 0; t < length; ++t) {
      weight[t] = dot(q, keys + size_t(t) * D, D) / divisor;
      maximum = std::max(maximum, weight[t]);
    }
    for (int t = 0; t < length; ++t) sum += weight[t] = std::exp(weight[t] - maximum);
    for (int t = 0; t < length; ++t) weight[t] /= sum;
  }

  // x (R, C) += W in + b; in: (R, width), W: (C, width)
  static void linear_add(const std::vector<float>& w, const std::vector<float>& b, const float* in, size_t width,
                         State& s, const Step& step) {
    const size_t C = s.config.C;
    for (size_t r = 0; r < step.rows.size(); ++r) {
      for (size_t c = 0; c < C; ++c)
        s.x[r * C + c] += static_cast<float>(dot(&w[c * width], in + r * width, width) + b[c]);
    }
  }
};

// A precision that opens HostSession<O>. O is made from (Options, Host).
template <class O>
class HostPrecision : public Precision {
 public:
  HostPrecision(const Options& options, const Host& host) : ops_(std::make_shared<O>(options, host)) {}
  std::unique_ptr<Session> open(const Checkpoint& checkpoint, const Limits& limits) override {
    Traits traits{true, true, true, true, 0, sizeof(float), "double"};
    if constexpr (requires { ops_->contract(); }) traits.contract = ops_->contract();
    return std::make_unique<HostSession<O>>(ops_, checkpoint, limits, traits);
  }

 private:
  std::shared_ptr<O> ops_;
};

// The descriptor of a precision over ReferenceOps. All its Traits are true, because every row is computed by itself and
// in a fixed order.
template <class O>
constexpr Plugin precision_plugin(const char* name, const char* summary, std::span<const OptionSpec> options = {}) {
  return host_plugin<Precision, HostPrecision<O>>(Kind::precision, false, name, "1", summary, options);
}

}  // namespace gpt2run
