// The state of cpu-int8 and cpu-int4. Activations stay FP32 here; the operation that reads them quantises them
// (QuantisedOps), which gives the same as if the operation that wrote them had. Taps see them quantised.
#pragma once
#include "gpt2run/sdk/quantise.hpp"
#include "int8_kernels.hpp"
#include "ops.hpp"

namespace gpt2run::cpu {

// Storage: of keys and values, f16 or int8_t. An int8_t vector of one position and head has a scale.
template <class Storage>
struct QuantisedState : State<Storage, VectorPacking<Storage>> {
  static constexpr bool kCodedCache = std::is_same_v<Storage, int8_t>;

  // activations: the format of the inputs of products, Type::i8, bf16 or f32. isa: whose products need workspace.
  QuantisedState(const ModelConfig& m, const Limits& limits, Type activations, Int8Isa isa)
      : State<Storage, VectorPacking<Storage>>(m, limits),
        activations(activations),
        codes_stride(padded(std::max(m.C, m.F), kLineBytes)) {
    const size_t rows = limits.rows, workers = workers_for(limits.threads);
    const size_t workspace = int8_workspace(isa, limits.rows, std::max(m.C, m.F)) / sizeof(float) + 1;
    if (this->workspace_stride < workspace) {
      this->workspace_stride = workspace;
      this->workspaces.resize(workers * workspace);
    }
    codes.resize(rows * codes_stride), code_scales.resize(rows), code_sums.resize(rows);
    if (activations != Type::i8) panel_values.resize(workers * panel_stride());
    if (!kCodedCache) return;
    for (auto* scales : {&key_scales, &value_scales}) scales->resize(size_t(m.L) * limits.slots * m.H * scale_stride());
    cache_values.resize(workers * cache_stride());
  }

  // The index of a position's scale. Those of a head are successive.
  size_t scale(int layer, int slot, int head, int position) const {
    return ((size_t(layer) * this->slots + slot) * this->config.H + head) * scale_stride() + position;
  }

  void copy_cache(int slot, int from, int keep) {
    State<Storage, VectorPacking<Storage>>::copy_cache(slot, from, keep);
    if constexpr (kCodedCache) {
      for (int layer = 0; layer < this->config.L; ++layer) {
        for (int head = 0; head < this->config.H; ++head) {
          for (auto* scales : {&key_scales, &value_scales})
            std::copy_n(&(*scales)[scale(layer, from, head, 0)], keep, &(*scales)[scale(layer, slot, head, 0)]);
        }
      }
    }
  }

  Matrix written(Op op, int layer, const HostStep& step, std::vector<float>& scratch) const {
    if constexpr (kCodedCache) {
      if (op == Op::norm_qkv) return gather_coded(layer, step, scratch);
    }
    const Matrix m = State<Storage, VectorPacking<Storage>>::written(op, layer, step, scratch);
    if (activations != Type::i8 || (op != Op::attention && op != Op::norm_up_gelu)) return m;
    scratch.resize(size_t(m.rows) * m.cols);
    std::vector<int8_t> row(m.cols);
    for (int r = 0; r < m.rows; ++r) {
      const float scale = quantise_int8({m.data + int64_t(r) * m.cols, size_t(m.cols)}, row.data());
      for (int c = 0; c < m.cols; ++c) scratch[size_t(r) * m.cols + c] = scale * row[c];
    }
    return {scratch.data(), m.rows, m.cols};
  }

  void read_keys(int layer, int slot, int head, int positions, float* out) const {
    State<Storage, VectorPacking<Storage>>::read_keys(layer, slot, head, positions, out);
    if constexpr (kCodedCache) {
      const int D = this->config.C / this->config.H;
      for (int t = 0; t < positions; ++t)
        for (int d = 0; d < D; ++d) *out++ *= key_scales[scale(layer, slot, head, t)];
    }
  }

  void take(Op op, int layer, const HostStep& step, int r, const float* values) {
    if constexpr (!kCodedCache)
      State<Storage, VectorPacking<Storage>>::take(op, layer, step, r, values);
    else if (op == Op::norm_qkv)
      take_coded(layer, step.rows[r], r, values);
    else
      this->take_floats(op, r, values);
  }

  // Floats of one worker in panel_values and in cache_values, where the keys of a head stand before its values.
  size_t panel_stride() const { return size_t(kPanel) * std::max(this->config.C, this->config.F); }
  size_t scale_stride() const { return padded(this->context, kPanel); }
  size_t cache_stride() const { return 2 * scale_stride() * (this->config.C / this->config.H); }

  Type activations;
  int64_t codes_stride;
  std::vector<int8_t> codes;                    // (R, codes_stride) the input of the running product
  std::vector<float> code_scales;               // (R)
  std::vector<int32_t> code_sums;               // (R)
  std::vector<float> panel_values;              // (workers, panel_stride) a panel of weights in FP32
  std::vector<float> key_scales, value_scales;  // of int8_t, by scale()
  std::vector<float> cache_values;              // (workers, cache_stride) keys and values of a head in FP32

 private:
  static constexpr int kLineBytes = 64;

  void take_coded(int layer, const HostRow& row, int r, const float* values) {
    const int C = this->config.C, D = C / this->config.H;
    std::copy_n(values, C, &this->q[size_t(r) * C]);
    std::vector<int8_t> key(D);
    for (int head = 0; head < this->config.H; ++head) {
      const size_t at = scale(layer, row.slot, head, row.position), own = size_t(head) * D, width = D;
      key_scales[at] = quantise_int8({values + C + own, width}, key.data());
      for (int d = 0; d < D; ++d) this->keys[this->key(layer, row.slot, head, row.position, d)] = key[d];
      value_scales[at] =
          quantise_int8({values + 2 * C + own, width}, &this->values[this->cache(layer, row.slot, head, row.position)]);
    }
  }

  Matrix gather_coded(int layer, const HostStep& step, std::vector<float>& scratch) const {
    const int C = this->config.C, D = C / this->config.H;
    scratch.resize(step.rows.size() * 3 * C);
    float* out = scratch.data();
    for (size_t r = 0; r < step.rows.size(); ++r, out += 3 * C) {
      std::copy_n(&this->q[r * C], C, out);
      const HostRow& row = step.rows[r];
      for (int c = 0; c < C; ++c) {
        const int head = c / D, d = c % D;
        const size_t at = scale(layer, row.slot, head, row.position);
        out[C + c] = key_scales[at] * float(this->keys[this->key(layer, row.slot, head, row.position, d)]);
        out[2 * C + c] = value_scales[at] * float(this->values[this->cache(layer, row.slot, head, row.position) + d]);
      }
    }
    return {scratch.data(), static_cast<int>(step.rows.size()), 3 * C};
  }
};

}  // namespace gpt2run::cpu
