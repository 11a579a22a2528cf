// QuantisedOps: the seven operations of cpu-int8 and cpu-int4. The work is divided as in CpuOps (ops.hpp): a worker
// owns whole outputs, rows or heads. Products of int8 are exact sums of integers. All else is FP32, by the kernels of
// kernels.hpp.
#pragma once
#include <string>

#include "int8_state.hpp"
#include "int8_weights.hpp"

namespace gpt2run::cpu {

// What is rounded to what (docs/numerics.md). head: of its weights and its inputs.
struct Formats {
  Codes weights;
  Type activations, head;  // i8, bf16 or f32
};

// Storage: of keys and values, f16 or int8_t.
template <class Storage>
class QuantisedOps {
 public:
  using Weights = QuantisedWeights;
  using State = QuantisedState<Storage>;
  using Step = HostStep;

  QuantisedOps(Int8Isa isa, int threads, const Formats& formats)
      : pool_(workers_for(threads)),
        isa_(allowed(isa)),
        kernels_(kernels_of(isa_)),
        floats_(kernels_of<float>(floats_of(isa))),
        halves_(kernels_of<bf16>(floats_of(isa))),
        cached_(kernels_of<f16>(floats_of(isa))),
        formats_(formats),
        contract_(contract_of(formats)) {}

  // The options that give `reference` the same contract, as it writes them itself: FP32 is not named.
  const char* contract() const { return contract_.c_str(); }

  Weights load(const Checkpoint& checkpoint) {
    return load_quantised(checkpoint, pool_, kernels_, formats_.weights, formats_.head);
  }

  // Rounds a row that a tap has changed as the operation rounds what it writes. Inputs of int8 products are quantised
  // by the operation that reads them, and State::take() rounds keys and values.
  void round_taken(const ModelConfig&, Op op, int, int, std::span<float> values) const {
    if (formats_.activations != Type::bf16 || (op != Op::attention && op != Op::norm_up_gelu)) return;
    for (float& x : values) x = round_to(Type::bf16, x);
  }

  State make_state(const ModelConfig& m, const Limits& limits) const {
    return State(m, limits, formats_.activations, isa_);
  }

  void embed(const Weights::Embedding& w, State& s, const Step& step) {
    embed_rows(pool_, s, step, w.wpe, kQueries, [&](int token, int C, float* x) { w.wte.read(token, C, x); });
  }

  void norm_qkv(const Weights::Layer& w, State& s, const Step& step, int layer) {
    const int C = s.config.C, rows = static_cast<int>(step.rows.size());
    norm(w.ln1_w, w.ln1_b, s, rows);
    pool_.run([&](int worker, int workers) {
      const WorkRange own(3 * C, worker, workers, kPanel);
      product(w.qkv_w, formats_.activations, s.normed.data(), C, rows, own, s.sums.data(), 3 * C, s, worker);
      if constexpr (!State::kCodedCache) {
        for (int r = 0; r < rows; ++r) store_qkv(floats_.round, cached_, w.qkv_b, own, s, step.rows[r], r, layer);
      }
    });
    if constexpr (State::kCodedCache) {  // a scale needs the whole head
      share_rows(pool_, rows, [&](int r) { code_qkv(&s.sums[size_t(r) * 3 * C], w.qkv_b, s, step.rows[r], r, layer); });
    }
  }

  void attention(State& s, const Step& step, int layer) {
    const int C = s.config.C, D = C / s.config.H;
    const auto call = [&](const HeadRun& one, const auto& kernels, const auto* keys, const auto* values) {
      kernels.attention_unrounded(&s.q[one.at], one.rows.count, C, keys, values, D, one.scale, one.row.position + 1,
                                  one.scores, s.scores_stride, &s.a[one.at], one.scratch);
    };
    share_heads(pool_, s, step, layer, [&] {
      return [&, widened = Widened()](const HeadRun& one) mutable {
        const int slot = one.row.slot, head = one.head;
        if constexpr (State::kCodedCache) {
          const float* keys = widen(s, layer, slot, head, one.row.position + one.rows.count, one.worker, widened);
          call(one, floats_, keys, keys + s.scale_stride() * D);
        } else {
          call(one, cached_, &s.keys[s.key(layer, slot, head, 0, 0)], &s.values[s.cache(layer, slot, head, 0)]);
        }
      };
    });
    round_rows(s.a.data(), C, s, static_cast<int>(step.rows.size()));
  }

  void project_add(const Weights::Layer& w, State& s, const Step& step) {
    linear_add(w.proj_w, w.proj_b, s.a.data(), s.config.C, s, step);
  }

  void norm_up_gelu(const Weights::Layer& w, State& s, const Step& step) {
    const int C = s.config.C, F = s.config.F, rows = static_cast<int>(step.rows.size());
    const auto activate = floats_.activate[static_cast<size_t>(s.config.activation)];
    norm(w.ln2_w, w.ln2_b, s, rows);
    pool_.run([&](int worker, int workers) {
      const WorkRange own(F, worker, workers, kPanel);
      product(w.up_w, formats_.activations, s.normed.data(), C, rows, own, s.h.data(), F, s, worker);
      for (int r = 0; r < rows; ++r) {
        float* h = &s.h[size_t(r) * F + own.begin];
        activate(h, w.up_b + own.begin, own.end - own.begin, h);
      }
    });
    round_rows(s.h.data(), F, s, rows);
  }

  void down_add(const Weights::Layer& w, State& s, const Step& step) {
    linear_add(w.down_w, w.down_b, s.h.data(), s.config.F, s, step);
  }

  void norm_logits(const Weights::Head& w, State& s, const Step& step) {
    const int C = s.config.C, V = s.config.V, rows = static_cast<int>(step.logit_rows.size());
    if (rows == 0) return;
    share_rows(pool_, rows,
               [&](int i) { norm_row(&s.x[size_t(step.logit_rows[i]) * C], w.lnf_w, w.lnf_b, formats_.head, s, i); });
    pool_.run([&](int worker, int workers) {
      const WorkRange own(V, worker, workers, kPanel);
      product(w.w, formats_.head, s.normed.data(), C, rows, own, s.logits.data(), s.stride, s, worker);
    });
  }

 private:
  // The head whose int8 keys and values a worker has in FP32, and how many of its positions.
  struct Widened {
    int slot = -1, head = -1, positions = 0;
  };

  static std::string contract_of(const Formats& formats) {
    std::string text = formats.weights == Codes::int8 ? "w=int8" : "w=int4:group=32:zero=on";
    if (formats.activations != Type::f32) text += std::string(":a=") + name_of(formats.activations);
    if (formats.head != Type::f32) text += std::string(":head=") + name_of(formats.head);
    return text + (State::kCodedCache ? ":kv=int8" : ":kv=fp16");
  }

  // Quantises row r of the input of a product.
  void code_row(const float* x, int K, State& s, int r) const {
    int8_t* codes = &s.codes[size_t(r) * s.codes_stride];
    s.code_scales[r] = int8_scale(kernels_.largest(x, K));
    s.code_sums[r] = kernels_.code(x, K, inverse_scale(s.code_scales[r]), codes);
    std::fill_n(codes + K, padded(K, kGroupInputs) - K, int8_t{0});
  }

  // Row r of the input of a product = layernorm of x (C), in the format of the product's inputs.
  void norm_row(const float* x, const float* gain, const float* bias, Type format, State& s, int r) const {
    const int C = s.config.C;
    float* out = &s.normed[size_t(r) * C];
    const auto norm = format == Type::bf16 ? halves_.norm : floats_.norm;
    norm(x, gain, bias, C, s.config.epsilon, out);
    if (format == Type::i8) code_row(out, C, s, r);
  }
  void norm(const float* gain, const float* bias, State& s, int rows) {
    share_rows(pool_, rows,
               [&](int r) { norm_row(&s.x[size_t(r) * s.config.C], gain, bias, formats_.activations, s, r); });
  }

  // Rounds activations (rows, K) to BF16, if that is their format.
  void round_rows(float* x, int K, State& s, int rows) {
    if (s.activations != Type::bf16) return;
    share_rows(pool_, rows, [&](int r) {
      for (int k = 0; k < K; ++k) x[size_t(r) * K + k] = round_to(Type::bf16, x[size_t(r) * K + k]);
    });
  }

  // Computes the columns `own` of y (rows, stride) = input times w. format: of the input, which is in s.codes or in x
  // (rows, K).
  void product(const PackedMatrix& w, Type format, const float* x, int K, int rows, const WorkRange& own, float* y,
               int64_t stride, State& s, int worker) const {
    const int count = own.end - own.begin;
    if (count == 0) return;
    const std::byte* at = w.panel(own.begin, K);
    y += own.begin;
    if (format == Type::i8) {
      const CodedRows input{s.codes.data(), s.codes_stride, s.code_scales.data(), s.code_sums.data()};
      kernels_.linear[size_t(w.codes())](input, rows, at, K, count, y, stride, s.workspace(worker));
    } else if (w.type == Type::f32) {
      floats_.linear(x, rows, K, reinterpret_cast<const float*>(at), K, count, y, stride, s.workspace(worker));
    } else if (w.type == Type::bf16) {
      halves_.linear(x, rows, K, reinterpret_cast<const bf16*>(at), K, count, y, stride, s.workspace(worker));
    } else {
      float* values = &s.panel_values[worker * s.panel_stride()];
      for (int o = 0; o < count; o += kPanel) {
        kernels_.values[size_t(w.codes())](w.panel(own.begin + o, K), K, values);
        floats_.linear(x, rows, K, values, K, std::min(kPanel, count - o), y + o, stride, s.workspace(worker));
      }
    }
  }

  // As store_qkv, for a whole row and an int8 cache. Changes sums.
  void code_qkv(float* sums, const float* bias, State& s, const HostRow& row, int r, int layer) const {
    const int C = s.config.C, D = C / s.config.H;
    floats_.round(sums, bias, 3 * C, sums);
    std::copy_n(sums, C, &s.q[size_t(r) * C]);
    std::vector<int8_t>& scratch = s.codes;
    for (int head = 0; head < s.config.H; ++head) {
      const size_t at = s.scale(layer, row.slot, head, row.position);
      const auto code = [&](const float* x, float& scale, int8_t* out) {
        scale = int8_scale(kernels_.largest(x, D));
        kernels_.code(x, D, inverse_scale(scale), out);
      };
      int8_t* key = &scratch[size_t(r) * s.codes_stride];
      code(sums + C + head * D, s.key_scales[at], key);
      int8_t* to = &s.keys[s.key(layer, row.slot, head, row.position, 0)];
      for (int d = 0; d < D; ++d) to[VectorLayout<int8_t>::at(0, d, D)] = key[d];
      code(sums + 2 * C + head * D, s.value_scales[at], &s.values[s.cache(layer, row.slot, head, row.position)]);
    }
  }

  // The int8 keys and values of a head as FP32. What the worker has already of the same head is kept.
  const float* widen(State& s, int layer, int slot, int head, int positions, int worker, Widened& widened) const {
    const int D = s.config.C / s.config.H;
    float* keys = &s.cache_values[worker * s.cache_stride()];
    float* values = keys + s.scale_stride() * D;
    if (widened.slot != slot || widened.head != head) widened = {slot, head, 0};
    const int from = widened.positions, begin = from / kPanel * kPanel;
    if (positions <= from) return keys;
    const size_t at = s.scale(layer, slot, head, 0);
    for (int t = begin; t < positions; t += kPanel)
      kernels_.cached_keys(&s.keys[s.key(layer, slot, head, t, 0)], &s.key_scales[at + t], D, keys + size_t(t) * D);
    kernels_.cached_values(&s.values[s.cache(layer, slot, head, from)], &s.value_scales[at + from], positions - from, D,
                           values + size_t(from) * D);
    widened.positions = positions;
    return keys;
  }

  // x (R, C) += W in + b; in: (R, K)
  void linear_add(const PackedMatrix& w, const float* b, const float* in, int K, State& s, const Step& step) {
    const int rows = static_cast<int>(step.rows.size());
    if (formats_.activations == Type::i8)
      share_rows(pool_, rows, [&](int r) { code_row(in + size_t(r) * K, K, s, r); });
    add_product(pool_, s, step, kPanel, b, floats_.accumulate,
                [&](const WorkRange& own, float* y, int64_t stride, int worker) {
                  product(w, formats_.activations, in, K, rows, own, y, stride, s, worker);
                });
  }

  Int8Isa allowed(Int8Isa isa) { return isa != Int8Isa::amx || tiles_allowed(pool_) ? isa : Int8Isa::avx512vnni; }

  Pool pool_;
  const Int8Isa isa_;
  const Int8Kernels& kernels_;
  const Kernels<float>& floats_;
  const Kernels<bf16>& halves_;  // of BF16 values, with sums in the same order
  const Kernels<f16>& cached_;
  Formats formats_;
  std::string contract_;
};

}  // namespace gpt2run::cpu
