// The seven operations on the CPU for one storage type: who computes what on which worker; how is the kernels' matter.
// A worker owns outputs (or rows, or heads), never a part of a sum, so bits do not depend on the number of workers.
#pragma once
#include "gpt2run/host_session.hpp"
#include "kernels.hpp"
#include "weights.hpp"

namespace gpt2run::cpu {

template <class Value>
struct State : HostState<Value> {
  State(const ModelConfig& m, const Limits& limits)
      : HostState<Value>(m, limits),
        normed(size_t(limits.rows) * m.C),
        sums(size_t(limits.rows) * 3 * m.C),
        scores(size_t(workers_for(limits.threads)) * padded(limits.context)) {}

  std::vector<float> normed;  // (R, C)
  std::vector<float> sums;    // (R, 3C) products before their bias
  std::vector<float> scores;  // (workers, padded context)
};

// One object per session: its pool is used by one thread at a time.
template <class Value>
class CpuOps {
 public:
  using Weights = cpu::Weights<Value>;
  using State = cpu::State<Value>;
  using Step = HostStep;

  CpuOps(Isa isa, int threads, Overflow overflow = Overflow::error)
      : kernels_(kernels_of<Value>(isa)), pool_(workers_for(threads)), overflow_(overflow) {}

  Weights load(const Checkpoint& checkpoint) { return load_weights<Value>(checkpoint, pool_, overflow_); }

  void embed(const typename Weights::Embedding& w, State& s, const Step& step) {
    const size_t C = s.config.C;
    for (size_t r = 0; r < step.rows.size(); ++r) {
      const HostRow& row = step.rows[r];
      kernels_.embed(w.wte + row.token * C, w.wpe + row.position * C, s.config.C, &s.x[r * C]);
    }
  }

  void norm_qkv(const typename Weights::Layer& w, State& s, const Step& step, int layer) {
    const int C = s.config.C, D = C / s.config.H, rows = static_cast<int>(step.rows.size());
    norm(w.ln1_w, w.ln1_b, s, rows);
    pool_.run([&](int worker, int workers) {
      const Share heads(3 * s.config.H, worker, workers);
      product(w.qkv_w, s.normed.data(), C, rows, {heads.begin * D, heads.end * D}, s.sums.data(), 3 * C);
      for (int r = 0; r < rows; ++r) {
        for (int h = heads.begin; h < heads.end; ++h)
          place_head(&s.sums[size_t(r) * 3 * C + h * D], w.qkv_b + h * D, s, step.rows[r], r, layer, h);
      }
    });
  }

  // Heads outside, rows inside, dealt out in turn: a head's cache stays near, and the long rows at the end of a prefill
  // do not all fall to one worker.
  void attention(State& s, const Step& step, int layer) {
    const int C = s.config.C, H = s.config.H, D = C / H, rows = static_cast<int>(step.rows.size());
    pool_.run([&](int worker, int workers) {
      float* scores = &s.scores[size_t(worker) * padded(s.context)];
      for (int64_t item = worker; item < int64_t(rows) * H; item += workers) {
        const int head = static_cast<int>(item / rows), r = static_cast<int>(item % rows);
        const HostRow& row = step.rows[r];
        const size_t cache = s.cache(layer, row.slot, head, 0), at = size_t(r) * C + head * D;
        kernels_.attention(&s.q[at], &s.keys[cache], &s.values[cache], D, row.position + 1, scores, &s.a[at]);
      }
    });
  }

  void project_add(const typename Weights::Layer& w, State& s, const Step& step) {
    linear_add(w.proj_w, w.proj_b, s.a.data(), s.config.C, s, step);
  }

  void norm_up_gelu(const typename Weights::Layer& w, State& s, const Step& step) {
    const int C = s.config.C, F = s.config.F, rows = static_cast<int>(step.rows.size());
    norm(w.ln2_w, w.ln2_b, s, rows);
    pool_.run([&](int worker, int workers) {
      const Share own(F, worker, workers, kUnit);
      product(w.up_w, s.normed.data(), C, rows, {own.begin, own.end}, s.h.data(), F);
      for (int r = 0; r < rows; ++r) {
        float* h = &s.h[size_t(r) * F + own.begin];
        kernels_.gelu(h, w.up_b + own.begin, own.end - own.begin, h);
      }
    });
  }

  void down_add(const typename Weights::Layer& w, State& s, const Step& step) {
    linear_add(w.down_w, w.down_b, s.h.data(), s.config.F, s, step);
  }

  void norm_logits(const typename Weights::Head& w, State& s, const Step& step) {
    const int C = s.config.C, V = s.config.V, rows = static_cast<int>(step.wanted.size());
    for (int i = 0; i < rows; ++i)
      kernels_.norm(&s.x[size_t(step.wanted[i]) * C], w.lnf_w, w.lnf_b, C, s.config.epsilon, &s.normed[size_t(i) * C]);
    if (rows == 0) return;
    pool_.run([&](int worker, int workers) {
      const Share own(V, worker, workers, kUnit);
      product(w.w, s.normed.data(), C, rows, {own.begin, own.end}, s.logits.data(), s.stride);
    });
  }

 private:
  static constexpr int kUnit = 16;  // outputs: a cache line of FP32, so that workers do not write into each other's

  struct Outputs {
    int begin, end;
  };

  // Columns `own` of y (rows, stride) = x (rows, K) times those rows of w.
  void product(const Value* w, const float* x, int K, int rows, Outputs own, float* y, int64_t stride) const {
    kernels_.linear(x, rows, w + int64_t(own.begin) * K, K, own.end - own.begin, y + own.begin, stride);
  }

  // s.normed (rows, C) = rounded layernorm of s.x
  void norm(const float* gain, const float* bias, State& s, int rows) {
    const int C = s.config.C;
    const auto work = [&](int worker, int workers) {
      const Share own(rows, worker, workers);
      for (size_t r = own.begin; r < size_t(own.end); ++r)
        kernels_.norm(&s.x[r * C], gain, bias, C, s.config.epsilon, &s.normed[r * C]);
    };
    if (rows < kRowsToShare) return work(0, 1);
    pool_.run(work);
  }
  static constexpr int kRowsToShare = 8;  // below, waking the others costs more than the work

  // Head h of 3H: queries, then keys, then values.
  void place_head(const float* sums, const float* bias, State& s, const HostRow& row, int r, int layer, int h) const {
    const int H = s.config.H, D = s.config.C / H, head = h % H;
    if (h < H) return kernels_.round(sums, bias, D, &s.q[size_t(r) * s.config.C + head * D]);
    auto& cache = h < 2 * H ? s.keys : s.values;
    kernels_.store(sums, bias, D, &cache[s.cache(layer, row.slot, head, row.position)]);
  }

  // x (R, C) += W in + b; in: (R, K)
  void linear_add(const Value* w, const float* b, const float* in, int K, State& s, const Step& step) {
    const int C = s.config.C, rows = static_cast<int>(step.rows.size());
    pool_.run([&](int worker, int workers) {
      const Share own(C, worker, workers, kUnit);
      product(w, in, K, rows, {own.begin, own.end}, s.sums.data(), C);
      for (int r = 0; r < rows; ++r) {
        const size_t at = size_t(r) * C + own.begin;
        kernels_.accumulate(&s.sums[at], b + own.begin, own.end - own.begin, &s.x[at]);
      }
    });
  }

  const Kernels<Value>& kernels_;
  Pool pool_;
  Overflow overflow_;
};

}  // namespace gpt2run::cpu
