// CpuOps: the seven operations on the CPU for one storage type. It divides the work among workers; the arithmetic is in
// the kernels. A worker owns whole outputs (or rows, or heads) and never a part of a sum, so the bits do not depend on
// the number of workers.
#pragma once
#include "../common/layer_scale.hpp"
#include "../common/two_bf16.hpp"
#include "gpt2run/sdk/host_session.hpp"
#include "kernels.hpp"
#include "rows.hpp"
#include "weights.hpp"

namespace gpt2run::cpu {

// Keys are a packed matrix (packed.hpp) whose outputs are positions, so that scores are an ordinary product.
template <class Value, class Packing>
struct State : HostState<Value, typename Packing::Keys> {
  State(const ModelConfig& m, const Limits& limits)
      : HostState<Value, typename Packing::Keys>(m, limits),
        normed(size_t(limits.rows) * m.C),
        sums(size_t(limits.rows) * 3 * m.C),
        scores_stride(padded(limits.context, kPanel) + kPanel),
        scores(size_t(workers_for(limits.threads)) * kMostQueries * scores_stride),
        workspace_stride(Packing::workspace(limits.rows, std::max(m.C, m.F))),
        workspaces(workers_for(limits.threads) * workspace_stride) {
    runs.reserve(limits.rows);
  }

  float* workspace(int worker) { return workspaces.data() + worker * workspace_stride; }

  std::vector<float> normed;      // (R, C)
  std::vector<float> sums;        // (R, 3C) products before the bias
  int64_t scores_stride;          // floats per query
  std::vector<float> scores;      // (workers, kMostQueries, scores_stride)
  size_t workspace_stride;        // floats per worker
  std::vector<float> workspaces;  // (workers, workspace_stride) scratch memory of the kernels
  std::vector<RowRun> runs;       // of the running step
};

// Adds the bias to the columns `own` of row r of the products s.sums (R, 3C: query, key, value), and stores the query,
// rounded by `round`, in s.q, and the key and value in the cache.
template <class Value, class Packing>
void store_qkv(decltype(Kernels<Value>::round) round, const Kernels<Value>& kernels, const float* bias,
               const WorkRange& own, State<Value, Packing>& s, const HostRow& row, int r, int layer) {
  const int C = s.config.C, D = C / s.config.H;
  const float* sums = &s.sums[size_t(r) * 3 * C];
  for (int o = own.begin, end; o < own.end; o = end) {
    end = std::min({o / D * D + D, o + kPanel, own.end});
    const int head = o % C / D, d = o % D;
    if (o < C) {
      round(sums + o, bias + o, end - o, &s.q[size_t(r) * C + o]);
    } else if (o < 2 * C) {
      Value key[kPanel];
      kernels.store(sums + o, bias + o, end - o, key);
      Value* at = &s.keys[s.key(layer, row.slot, head, row.position, 0)];
      for (int i = o; i < end; ++i) at[Packing::Keys::at(0, d + i - o, D)] = key[i - o];
    } else {
      kernels.store(sums + o, bias + o, end - o, &s.values[s.cache(layer, row.slot, head, row.position) + d]);
    }
  }
}

// x (R, C) = embedding of the token + embedding of the position, and s.runs = the runs of up to `queries` rows.
// read(token, C, x): x (C) = the embedding of a token as FP32. wpe: (T, C).
template <class State, class Value, class Read>
void embed_rows(Pool& pool, State& s, const HostStep& step, const Value* wpe, int queries, const Read& read) {
  const int C = s.config.C;
  share_rows(pool, static_cast<int>(step.rows.size()), [&](int r) {
    const HostRow& row = step.rows[r];
    const Value* position = wpe + size_t(row.position) * C;
    float* x = &s.x[size_t(r) * C];
    read(row.token, C, x);
    for (int c = 0; c < C; ++c) x[c] += to_f32(position[c]);
  });
  row_runs(step.rows, queries, s.runs);
}

// One head of a run of rows, and what a worker needs for its attention.
struct HeadRun {
  int worker, head;
  const RowRun& rows;
  const HostRow& row;       // the first of them
  size_t at;                // of the first query in s.q, and of its output in s.a
  float scale;              // of the scores
  float *scores, *scratch;  // of the worker: State::scores and State::workspaces
};

// Calls attend(HeadRun) for all heads of all runs, where each worker has an `attend` of its own, which of_worker()
// returns. Items are (head, run of rows) pairs with runs innermost, dealt out in turn. So a head's cache is reused
// while it is in the processor's cache, and the long rows at the end of a prefill do not all fall to the same worker.
template <class State, class OfWorker>
void share_heads(Pool& pool, State& s, const HostStep& step, int layer, const OfWorker& of_worker) {
  const int C = s.config.C, H = s.config.H, D = C / H, runs = static_cast<int>(s.runs.size());
  pool.run([&](int worker, int workers) {
    const float scale = layer_scale(s.config, layer) / std::sqrt(static_cast<float>(D));
    auto attend = of_worker();
    for (int64_t item = worker; item < int64_t(runs) * H; item += workers) {
      const int head = static_cast<int>(item / runs);
      const RowRun& own = s.runs[item % runs];
      attend(HeadRun{worker, head, own, step.rows[own.first], size_t(own.first) * C + head * D, scale,
                     &s.scores[size_t(worker) * kMostQueries * s.scores_stride], s.workspace(worker)});
    }
  });
}

// x (R, C) += product + b. product(own, y, stride, worker): the columns `own` of y (R, stride), boundaries at multiples
// of `panel`.
template <class State, class Product>
void add_product(Pool& pool, State& s, const HostStep& step, int panel, const float* b,
                 decltype(Kernels<float>::accumulate) accumulate, const Product& product) {
  const int C = s.config.C, rows = static_cast<int>(step.rows.size());
  pool.run([&](int worker, int workers) {
    const WorkRange own(C, worker, workers, panel);
    product(own, s.sums.data(), C, worker);
    for (int r = 0; r < rows; ++r) {
      const size_t at = size_t(r) * C + own.begin;
      accumulate(&s.sums[at], b + own.begin, own.end - own.begin, &s.x[at]);
    }
  });
}

// Whether every worker may use tiles (isa.hpp).
inline bool tiles_allowed(Pool& pool) {
  std::atomic<bool> everywhere = true;
  pool.run([&](int, int) {
    if (!tiles_allowed()) everywhere = false;
  });
  return everywhere;
}

// An object belongs to one session, because only one thread at a time may use its pool. Packing: what the kernels of
// the instruction set read: TilePacking where reads_tiles(isa), else VectorPacking.
template <class Value, class Packing = VectorPacking<Value>>
class CpuOps {
 public:
  using Weights = cpu::Weights<Value>;
  using State = cpu::State<Value, Packing>;
  using Step = HostStep;

  // A thread that may not use tiles is found here. The same order by vectors then takes their place on all threads.
  CpuOps(Isa isa, int threads, Overflow overflow = Overflow::error)
      : pool_(workers_for(threads)), isa_(allowed(isa)), kernels_(kernels_of<Value>(isa_)), overflow_(overflow) {}

  Isa isa() const { return isa_; }

  // Rounds a row that a tap has changed as the operation rounds what it writes. State::take() rounds keys and values.
  void round_taken(const ModelConfig& m, Op op, int, int, std::span<float> values) const {
    constexpr bool kTwoParts = std::is_same_v<Value, float> && std::is_same_v<Layout, TileLayout>;
    if (op == Op::attention || op == Op::norm_up_gelu) {
      for (float& x : values) x = kTwoParts ? round_to_two_bf16(x) : round_to(kType<Value>, x);
    } else if (op == Op::norm_qkv) {
      for (float& x : values.first(m.C)) x = round_to(kType<Value>, x);
    }
  }

  Weights load(const Checkpoint& checkpoint) {
    return load_weights<Value, typename Packing::Weights>(checkpoint, pool_, overflow_);
  }

  void embed(const typename Weights::Embedding& w, State& s, const Step& step) {
    embed_rows(pool_, s, step, w.wpe, kernels_.queries, [&](int token, int C, float* x) {
      for (int c = 0; c < C; ++c) x[c] = to_f32(w.wte[Layout::at(token, c, C)]);
    });
  }

  void norm_qkv(const typename Weights::Layer& w, State& s, const Step& step, int layer) {
    const int C = s.config.C, rows = static_cast<int>(step.rows.size());
    norm(w.ln1_w, w.ln1_b, s, rows);
    pool_.run([&](int worker, int workers) {
      const WorkRange own(3 * C, worker, workers, Layout::panel);
      product(w.qkv_w, s.normed.data(), C, rows, own, s.sums.data(), 3 * C, s, worker);
      for (int r = 0; r < rows; ++r) store_qkv(kernels_.round, kernels_, w.qkv_b, own, s, step.rows[r], r, layer);
    });
  }

  void attention(State& s, const Step& step, int layer) {
    const int C = s.config.C, D = C / s.config.H;
    share_heads(pool_, s, step, layer, [&] {
      return [&](const HeadRun& one) {
        kernels_.attention(&s.q[one.at], one.rows.count, C, &s.keys[s.key(layer, one.row.slot, one.head, 0, 0)],
                           &s.values[s.cache(layer, one.row.slot, one.head, 0)], D, one.scale, one.row.position + 1,
                           one.scores, s.scores_stride, &s.a[one.at], one.scratch);
      };
    });
  }

  void project_add(const typename Weights::Layer& w, State& s, const Step& step) {
    linear_add(w.proj_w, w.proj_b, s.a.data(), s.config.C, s, step);
  }

  void norm_up_gelu(const typename Weights::Layer& w, State& s, const Step& step) {
    const int C = s.config.C, F = s.config.F, rows = static_cast<int>(step.rows.size());
    const auto activate = kernels_.activate[static_cast<size_t>(s.config.activation)];
    norm(w.ln2_w, w.ln2_b, s, rows);
    pool_.run([&](int worker, int workers) {
      const WorkRange own(F, worker, workers, Layout::panel);
      product(w.up_w, s.normed.data(), C, rows, own, s.h.data(), F, s, worker);
      for (int r = 0; r < rows; ++r) {
        float* h = &s.h[size_t(r) * F + own.begin];
        activate(h, w.up_b + own.begin, own.end - own.begin, h);
      }
    });
  }

  void down_add(const typename Weights::Layer& w, State& s, const Step& step) {
    linear_add(w.down_w, w.down_b, s.h.data(), s.config.F, s, step);
  }

  void norm_logits(const typename Weights::Head& w, State& s, const Step& step) {
    const int C = s.config.C, V = s.config.V, rows = static_cast<int>(step.logit_rows.size());
    if (rows == 0) return;
    pool_.run_alone([&](int, int) {
      for (int i = 0; i < rows; ++i)
        kernels_.norm(&s.x[size_t(step.logit_rows[i]) * C], w.lnf_w, w.lnf_b, C, s.config.epsilon,
                      &s.normed[size_t(i) * C]);
    });
    pool_.run([&](int worker, int workers) {
      const WorkRange own(V, worker, workers, Layout::panel);
      product(w.w, s.normed.data(), C, rows, own, s.logits.data(), s.stride, s, worker);
    });
  }

 private:
  using Layout = typename Packing::Weights;

  Isa allowed(Isa isa) { return isa != Isa::amx || tiles_allowed(pool_) ? isa : Isa::avx512_amx_order; }

  // Computes the columns `own` of y (rows, stride) = x (rows, K) times w.
  void product(const Value* w, const float* x, int K, int rows, const WorkRange& own, float* y, int64_t stride,
               State& s, int worker) const {
    if (own.begin == own.end) return;
    kernels_.linear(x, rows, K, w + own.begin / Layout::panel * Layout::panel_elements(K), K, own.end - own.begin,
                    y + own.begin, stride, s.workspace(worker));
  }

  // s.normed (rows, C) = rounded layernorm of s.x (rows, C)
  void norm(const float* gain, const float* bias, State& s, int rows) {
    const int C = s.config.C;
    share_rows(pool_, rows, [&](int r) {
      const size_t at = size_t(r) * C;
      kernels_.norm(&s.x[at], gain, bias, C, s.config.epsilon, &s.normed[at]);
    });
  }

  // x (R, C) += W in + b; in: (R, K)
  void linear_add(const Value* w, const float* b, const float* in, int K, State& s, const Step& step) {
    const int rows = static_cast<int>(step.rows.size());
    add_product(pool_, s, step, Layout::panel, b, kernels_.accumulate,
                [&](const WorkRange& own, float* y, int64_t stride, int worker) {
                  product(w, in, K, rows, own, y, stride, s, worker);
                });
  }

  Pool pool_;
  const Isa isa_;
  const Kernels<Value>& kernels_;
  Overflow overflow_;
};

}  // namespace gpt2run::cpu
