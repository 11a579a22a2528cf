// The seven operations on the device, five kernels a layer: layernorm is made anew by each product behind it, and the
// residual is added where a product is written.
#pragma once
#include "attention.cuh"
#include "gpt2run/network.hpp"
#include "product.cuh"
#include "step.cuh"
#include "weights.hpp"

namespace gpt2run::cuda {

template <class Value>
class CudaOps {
 public:
  using Weights = DeviceWeights<Value>;
  using State = DeviceState<Value>;
  using Step = DeviceStep;

  void embed(const typename Weights::Embedding& w, State& s, const Step& step) {
    launch({"embed", {step.rows, 1, 1}, kStepThreads, 0, s.stream.get()}, embed_kernel<Value>, w.wte.data, w.wpe.data,
           w.wte.stride, s.rows.data(), s.x.data(), s.config.C);
  }

  void norm_qkv(const typename Weights::Layer& w, State& s, const Step& step, int layer) {
    const QkvSink<Value> sink = {w.qkv_b,       s.q.data(), s.keys_of(layer),       s.values_of(layer),
                                 s.rows.data(), s.config.C, s.config.C / s.config.H};
    product<1>("norm_qkv", w.qkv_w, normed(w.ln1_w, w.ln1_b, s, nullptr), sink, step.rows, s.stream.get());
  }

  void attention(State& s, const Step& step, int layer) {
    const int D = s.config.C / s.config.H;
    AttentionView<Value> view = {s.q.data(), s.keys_of(layer), s.values_of(layer), s.rows.data(),
                                 s.a.data(), s.partial.data(), s.arrived.data(),   0,
                                 D,          s.width};
    const size_t shared = Shared::bytes_of<float>(s.head) + Shared::bytes_of<float>(kChunk) +
                          Shared::bytes_of<float>(2) + Shared::bytes_of<int>(1);
    for (; view.first < step.rows; view.first += kAttentionRows) {
      const int rows = std::min(kAttentionRows, step.rows - view.first);
      launch({"attention", {s.chunks(), s.config.H, rows}, kAttentionThreads, shared, s.stream.get()},
             attention_kernel<Value>, view);
    }
  }

  void project_add(const typename Weights::Layer& w, State& s, const Step& step) {
    const AddSink sink = {w.proj_b, s.x.data(), s.config.C};
    product<kProductWarps>("project_add", w.proj_w, PlainRows<Value>{s.a.data(), s.width}, sink, step.rows,
                           s.stream.get());
  }

  void norm_up_gelu(const typename Weights::Layer& w, State& s, const Step& step) {
    const GeluSink<Value> sink = {w.up_b, s.h.data(), s.up_width};
    product<1>("norm_up_gelu", w.up_w, normed(w.ln2_w, w.ln2_b, s, nullptr), sink, step.rows, s.stream.get());
  }

  void down_add(const typename Weights::Layer& w, State& s, const Step& step) {
    const AddSink sink = {w.down_b, s.x.data(), s.config.C};
    product<kProductWarps>("down_add", w.down_w, PlainRows<Value>{s.h.data(), s.up_width}, sink, step.rows,
                           s.stream.get());
  }

  void norm_logits(const typename Weights::Head& w, State& s, const Step& step) {
    const LogitSink sink = {s.logits.data(), s.raw.size() ? s.raw.data() : nullptr, s.stride};
    product<1>("norm_logits", w.w, normed(w.lnf_w, w.lnf_b, s, s.wanted.data()), sink, step.wanted, s.stream.get());
  }

 private:
  static NormedRows<Value> normed(const float* gain, const float* bias, const State& s, const int32_t* index) {
    return {s.x.data(), gain, bias, index, s.config.C, s.width, s.config.epsilon};
  }
};

// Throws Error for a model whose rows no block's shared memory holds.
template <class Value>
void check_model(const ModelConfig& m) {
  const size_t needed = NormedRows<Value>::template shared_bytes<1>(padded_to_line<Value>(m.C));
  if (needed > kSharedBytes || size_t(m.C / m.H) * sizeof(float) > kSharedBytes - 1024)
    fail("the CUDA kernels hold a row of ", kSharedBytes, " bytes, found C = ", m.C, " with ", sizeof(Value),
         " bytes a value and heads of ", m.C / m.H);
}

}  // namespace gpt2run::cuda
