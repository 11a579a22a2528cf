// CudaOps: the seven operations on a CUDA device. With one or two rows, a layer takes five kernels: each product
// computes the layernorm before it, and adds the residual as it writes its sums. With more rows, up to eight, mean and
// scale have a kernel of their own before the two products that need them. Many rows go through cuBLASLt, with kernels
// of this project before and after the products (gemm_epilogue.cuh). DeviceStep says which rows go which way.
#pragma once
#include "../common/layer_scale.hpp"
#include "attention.cuh"
#include "gemm.hpp"
#include "gemm_epilogue.cuh"
#include "gpt2run/sdk/network.hpp"
#include "logits.cuh"
#include "sinks.cuh"
#include "step.cuh"
#include "weights.hpp"

namespace gpt2run::cuda {

// Whether the type rounds. FP32 does not, so Epilogue::fused would save nothing.
template <class Value>
constexpr bool kRounds = !std::is_same_v<Value, float>;

template <class Value>
class CudaOps {
 public:
  using Weights = DeviceWeights<Value>;
  using State = DeviceState<Value>;
  using Step = DeviceStep;

  // gemm: nullptr if no step has a batched range.
  explicit CudaOps(std::unique_ptr<Gemm> gemm, Epilogue epilogue = Epilogue::exact)
      : gemm_(std::move(gemm)), epilogue_(epilogue) {}

  void embed(const typename Weights::Embedding& w, State& s, const Step& step) {
    launch({"embed", {step.rows, 1, 1}, kStepThreads, 0, s.kernels}, embed_kernel<Value>, w.wte.data, w.wpe.data,
           w.wte.stride, s.rows.data(), s.x.data(), s.x_stride, s.config.C);
  }

  void norm_qkv(const typename Weights::Layer& w, State& s, const Step& step, int layer) {
    const QkvTarget<Value> target = {s.q.data(),    s.keys_of(layer), s.values_of(layer),
                                     s.rows.data(), s.config.C,       s.config.C / s.config.H};
    for (const RowRange& rows : step.products) {
      if constexpr (kRounds<Value>) {
        if (fuses(rows)) {
          fused_product(w.qkv_w, w.ln1_w, w.ln1_b, w.qkv_typed, false, s.rounded_sums(), s.sum_stride, rows, s);
          launch_finish("norm_qkv", s.rounded_sums(), s.sum_stride, rows, w.qkv_w.outputs, target, s.kernels);
          continue;
        }
      }
      norm_product("norm_qkv", w.qkv_w, w.ln1_w, w.ln1_b, s, rows, QkvSink<Value>{w.qkv_b, target});
    }
  }

  void attention(State& s, const Step& step, int layer) {
    const int D = s.config.C / s.config.H;
    const AttentionView<Value> view = {s.q.data(),
                                       s.keys_of(layer),
                                       s.values_of(layer),
                                       s.rows.data(),
                                       s.a.data(),
                                       s.partial.data(),
                                       s.arrived.data(),
                                       0,
                                       D,
                                       s.width,
                                       layer_scale(s.config, layer)};
    if (cluster_ < 0) cluster_ = attention_cluster(view, s.chunks());
    for (const RowRange& rows : step.attention) launch_attention(view, rows, s.chunks(), cluster_, s.kernels);
  }

  void project_add(const typename Weights::Layer& w, State& s, const Step& step) {
    for (const RowRange& rows : step.products)
      add_product("project_add", w.proj_w, w.proj_b, s.a.data(), s.width, s, rows);
  }

  void norm_up_gelu(const typename Weights::Layer& w, State& s, const Step& step) {
    const GeluSink<Value> sink = {w.up_b, s.h.data(), s.up_width};
    const Activation activation = s.config.activation;
    if (activation != Activation::gelu_tanh) {  // cuBLASLt has no epilogue for it
      const ActivationSink<Value> other = {w.up_b, s.h.data(), s.up_width, activation};
      for (const RowRange& rows : step.products) norm_product("norm_up_gelu", w.up_w, w.ln2_w, w.ln2_b, s, rows, other);
      return;
    }
    for (const RowRange& rows : step.products) {
      Value* out = s.h.data() + int64_t{rows.first} * s.up_width;
      if (fuses(rows))
        fused_product(w.up_w, w.ln2_w, w.ln2_b, w.up_typed, true, out, s.up_width, rows, s);
      else
        norm_product("norm_up_gelu", w.up_w, w.ln2_w, w.ln2_b, s, rows, sink);
    }
  }

  void down_add(const typename Weights::Layer& w, State& s, const Step& step) {
    for (const RowRange& rows : step.products)
      add_product("down_add", w.down_w, w.down_b, s.h.data(), s.up_width, s, rows);
  }

  void norm_logits(const typename Weights::Head& w, State& s, const Step& step) {
    const LogitSink sink = {s.logits.data(), s.raw.size() ? s.raw.data() : nullptr, s.stride};
    for (const RowRange& rows : step.logits) {
      const NormedRows<Value> source = normed(w.lnf_w, w.lnf_b, s, s.logit_rows.data());
      if (!rows.batched) {
        cuda::logits(w.w, source, sink, rows, s.kernels);
        continue;
      }
      launch_norm(source, rows, s.normed.data(), s.kernels);
      float* out = s.logits.data() + rows.first * s.stride;
      multiply(w.w, s.normed.data(), nullptr, out, s.stride, rows.count, false, s);
      if (s.raw.size())
        copy(s.raw.data() + rows.first * s.stride, out, rows.count * s.stride * sizeof(float), s.stream.get());
    }
  }

 private:
  static NormedRows<Value> normed(const float* gain, const float* bias, const State& s, const int32_t* index) {
    return {s.x.data(), gain, bias, index, s.config.C, s.x_stride, s.width, s.config.epsilon, s.statistics.data()};
  }

  // Enqueues a product by cuBLASLt. in: rows as long as those of the weights, padding included.
  void multiply(const DeviceMatrix<Value>& w, const Value* in, const float* bias, float* out, int64_t stride, int rows,
                bool adds, State& s) {
    const GemmProblem product = {kTypeOf<Value>, in, w.data, bias, out, rows, w.outputs, w.stride, stride, adds};
    gemm_->multiply(product, s.stream.get());
  }

  bool fuses(const RowRange& rows) const { return kRounds<Value> && rows.batched && epilogue_ == Epilogue::fused; }

  // out = cuBLASLt's product with the layernorm of the residual, with the library's own bias and GELU. bias and out are
  // of the type.
  void fused_product(const DeviceMatrix<Value>& w, const float* norm_gain, const float* norm_bias, const Value* bias,
                     bool gelu, Value* out, int64_t stride, const RowRange& rows, State& s) {
    launch_norm(normed(norm_gain, norm_bias, s, nullptr), rows, s.normed.data(), s.kernels);
    gemm_->multiply({.type = kTypeOf<Value>,
                     .in = s.normed.data(),
                     .weights = w.data,
                     .bias = bias,
                     .out = out,
                     .rows = rows.count,
                     .outputs = w.outputs,
                     .inputs = w.stride,
                     .out_stride = stride,
                     .adds = false,
                     .out_type = kTypeOf<Value>,
                     .gelu = gelu},
                    s.stream.get());
  }

  // Passes the products with the layernorm of the residual to the sink.
  template <class Sink>
  void norm_product(const char* name, const DeviceMatrix<Value>& w, const float* gain, const float* bias, State& s,
                    const RowRange& rows, const Sink& sink) {
    const NormedRows<Value> source = normed(gain, bias, s, nullptr);
    if (!rows.batched) return product<1>(name, w, source, sink, rows, s.kernels);
    launch_norm(source, rows, s.normed.data(), s.kernels);
    multiply(w, s.normed.data(), nullptr, s.sums.data(), s.sum_stride, rows.count, false, s);
    launch_finish(name, s.sums.data(), s.sum_stride, rows, w.outputs, sink, s.kernels);
  }

  // x += W in + b
  void add_product(const char* name, const DeviceMatrix<Value>& w, const float* bias, const Value* in, int width,
                   State& s, const RowRange& rows) {
    if (!rows.batched)
      return product<kProductWarps>(name, w, PlainRows<Value>{in, width}, AddSink{bias, s.x.data(), s.x_stride}, rows,
                                    s.kernels);
    multiply(w, in + int64_t{rows.first} * width, bias, s.x.data() + int64_t{rows.first} * s.x_stride, s.x_stride,
             rows.count, true, s);
  }

  std::unique_ptr<Gemm> gemm_;
  Epilogue epilogue_;
  int cluster_ = -1;  // of attention's blocks, once it is known: the device is asked at the first step
};

// Throws Error for a model whose rows do not fit a block's shared memory, and for one whose context is longer than the
// kernels can address.
template <class Value>
void check_model(const ModelConfig& m) {
  const size_t needed = NormedRows<Value>::template shared_bytes<1>(padded_to_line<Value>(m.C));
  constexpr size_t most = std::min(kSharedBytes, kMostSharedBytes - kRingBytes);
  if (needed > most || attention_bytes<Value>(padded_to_vector<Value>(m.C / m.H), m.C / m.H, 0) > kSharedBytes)
    fail("the CUDA kernels hold a row of ", most, " bytes, found C = ", m.C, " with ", sizeof(Value),
         " bytes a value and heads of ", m.C / m.H);
  if (m.T > kMostContext) fail("the CUDA kernels take a context of at most ", kMostContext, " positions, found ", m.T);
}

}  // namespace gpt2run::cuda
