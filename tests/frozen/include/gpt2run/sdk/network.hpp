// The GPT-2 network, written once for every device and number type. gpt2_forward calls the seven operations of an Ops
// set in order; the set brings them with its own weights, state and step, so nothing here depends on memory or types.
// Source: Radford et al. 2019, a pre-norm transformer with learned positions, tanh GELU and a head tied to wte. Models
// may have another activation function in place of GELU, and scores scaled by the layer (ModelConfig).
#pragma once
#include <cstddef>
#include <cstdint>

#include "gpt2run/precision.hpp"

namespace gpt2run {

// The operations in the order of a pass, with what each writes. R: rows of the step. The products are Hugging Face's
// c_attn (norm_qkv), attn.c_proj (project_add), c_fc (norm_up_gelu), mlp.c_proj (down_add) and lm_head (norm_logits).
// The name norm_up_gelu stands in taps and reports; the function is the model's, whether that is GELU or not.
enum class Op : uint8_t {
  embed,         // x (R, C) = wte[token] + wpe[position]
  norm_qkv,      // q, k, v (R, 3C) = W LN1(x) + b; k and v go to the KV cache at (slot, position)
  attention,     // a (R, C): per head, softmax(q k / sqrt(D)) v over the row's own position and those before it;
                 // with scale_by_layer, q k / (sqrt(D) (layer + 1))
  project_add,   // x (R, C) += W a + b
  norm_up_gelu,  // h (R, F) = f(W LN2(x) + b), where f is the model's activation function
  down_add,      // x (R, C) += W h + b
  norm_logits,   // logits (rows that need them, V) = W LNf(x)

  // For taps only, which see it just before `attention` and cannot change it: (R, H P) with P the largest position of
  // the step + 1. Row r, head h, position t is the softmax that `attention` multiplies v with, at (r H + h) P + t; zero
  // for t behind the row's own position. Computed from q and the cached k, in double.
  attention_weights,
};

inline constexpr int kOps = 7;            // the operations of a pass
inline constexpr int kTapOps = kOps + 1;  // and those for taps only, which follow them

constexpr const char* name_of(Op op) {
  constexpr const char* names[kTapOps] = {"embed",        "norm_qkv", "attention",   "project_add",
                                          "norm_up_gelu", "down_add", "norm_logits", "attention_weights"};
  return names[static_cast<size_t>(op)];
}

// Each operation gets only the weights that it needs. Weights has the members config, embedding, layers[l] and head.
template <class O>
concept Ops = requires(O& o, const typename O::Weights& w, typename O::State& s, const typename O::Step& t, int layer) {
  o.embed(w.embedding, s, t);
  o.norm_qkv(w.layers[layer], s, t, layer);
  o.attention(s, t, layer);
  o.project_add(w.layers[layer], s, t);
  o.norm_up_gelu(w.layers[layer], s, t);
  o.down_add(w.layers[layer], s, t);
  o.norm_logits(w.head, s, t);
};

// A session's tap, which is asked once which operations it wants.
class SessionTap {
 public:
  SessionTap() = default;
  // tap: null for none. ops: kTapOps, or kOps for a session that has nothing for taps only.
  SessionTap(Tap* tap, int ops) : tap_(tap) {
    for (int op = 0; tap && op < ops; ++op) wants_[op] = tap->wants(name_of(static_cast<Op>(op)));
  }

  explicit operator bool() const { return tap_ != nullptr; }
  bool wants(Op op) const { return wants_[static_cast<size_t>(op)]; }

  // Shows the tap what an operation wrote. host: (rows, cols). Returns true if the tap changed it. Throws Error if it
  // changed what nothing is computed from.
  bool call(Op op, int layer, float* host, int rows, int cols) const {
    const bool changed = tap_->tensor(name_of(op), layer, host, rows, cols);
    if (changed && op == Op::attention_weights)
      fail("a tap changed ", name_of(op), ", from which nothing is computed; change q and k in norm_qkv");
    return changed;
  }

 private:
  Tap* tap_ = nullptr;
  bool wants_[kTapOps] = {};
};

// Runs one forward pass, and calls wrote(op, layer) after each operation; layer is -1 outside the layers. The hook may
// change what the operation has written.
template <Ops O, class Hook>
void gpt2_forward(O& ops, const typename O::Weights& weights, typename O::State& state, const typename O::Step& step,
                  Hook wrote) {
  ops.embed(weights.embedding, state, step), wrote(Op::embed, -1);
  for (int layer = 0; layer < weights.config.L; ++layer) {
    const auto& own = weights.layers[layer];
    ops.norm_qkv(own, state, step, layer), wrote(Op::norm_qkv, layer);
    ops.attention(state, step, layer), wrote(Op::attention, layer);
    ops.project_add(own, state, step), wrote(Op::project_add, layer);
    ops.norm_up_gelu(own, state, step), wrote(Op::norm_up_gelu, layer);
    ops.down_add(own, state, step), wrote(Op::down_add, layer);
  }
  ops.norm_logits(weights.head, state, step), wrote(Op::norm_logits, -1);
}

template <Ops O>
void gpt2_forward(O& ops, const typename O::Weights& weights, typename O::State& state, const typename O::Step& step) {
  gpt2_forward(ops, weights, state, step, [](Op, int) {});
}

}  // namespace gpt2run
