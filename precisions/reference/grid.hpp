// The grid of `reference`: a rounding contract as a format for each part of the network. docs/numerics.md describes the
// parts, under "Quantised contracts".
#pragma once
#include <string>
#include <vector>

#include "gpt2run/sdk/reference.hpp"
#include "row_formats.hpp"

namespace gpt2run::grid {

// The parts of the network that a run keeps in FP32, whatever their format: the union of terms, joined by '+'. A term
// names operations, layers and kinds of values, joined by '.', and holds where all of them do: "norm_logits",
// "layer3+layer4", "layer3.weights".
class Exact {
 public:
  Exact() = default;
  // Throws Error for a text of another form, and for a term that holds at no site of any model.
  explicit Exact(std::string_view text);
  // Throws Error for a term with a layer that a model with this number of layers does not have.
  void check_layers(int layers) const;
  bool holds(const Site& site) const;

 private:
  enum class Values : uint8_t { all, weights, activations, kv };
  struct Term {
    std::string text;
    int op = -1, layer = -1;  // -1: all
    Values values = Values::all;
  };
  static bool holds(const Term& term, const Site& site);
  static void read(std::string_view name, Term& term);
  std::string text_;
  std::vector<Term> terms_;
};

struct Grid {
  Type type = Type::f32;  // of all that has no format of its own: biases, gains, wpe and q
  RowFormat w;            // qkv_w, proj_w, up_w and down_w
  RowFormat a;            // outputs of the layers' layernorms, of attention and of the activation function
  RowFormat head;         // wte and head_w
  RowFormat head_input;   // output of the last layernorm
  RowFormat kv;           // k and v of one head
  Exact exact;

  const RowFormat* format_at(const Site& site) const;  // null: that of `type`
};

// Every contract of the precision `reference`.
class GridOps : public ReferenceOps {
 public:
  // Throws Error for options that do not go together.
  GridOps(const Options& options, const Host&);

  // Throws Error as check_layers() does, and for weights that a format cannot hold.
  Weights load(const Checkpoint& checkpoint) const;
  float round(Point, float x) const override { return round_to(grid_.type, x); }
  void round_row(const Site& site, std::span<float> row) const override;
  const char* contract() const override { return contract_.c_str(); }

 private:
  Grid grid_;
  std::string contract_;
};

inline constexpr OptionSpec kGridOptions[] = {
    {"type", "enum", "fp32", "fp32|bf16|fp16", "rounding contract, of all that has no format of its own"},
    {"w", "enum", "type", "type|fp32|bf16|fp16|bf16x2|int8|int4|e4m3|e5m2|mxfp4|nf4", "format of the layers' matrices"},
    {"group", "int", "0", "[0, 1048576]", "columns of those matrices that share a scale, 0: the row"},
    {"zero", "enum", "off", "off|on|least",
     "zero point of int8 and int4 matrices: none, a code, or the group's least value"},
    {"scales", "enum", "auto", "auto|fp32|8|63",
     "scales of int4 groups with a zero point: FP32, or the row's by factors up to 8 or 63; auto: 8 for group=32"},
    {"a", "enum", "type", "type|fp32|bf16|fp16|bf16x2|int8|int4|e4m3|e5m2|mxfp4",
     "format of the inputs of the layers' products"},
    {"a_group", "int", "0", "[0, 1048576]", "inputs that share a scale, 0: the row"},
    {"head", "enum", "type", "type|fp32|bf16|fp16|bf16x2|int8|int4|e4m3|e5m2|mxfp4|nf4",
     "format of the head's matrix and input, and of the embedding of tokens"},
    {"head_input", "enum", "head", "head|fp32|bf16|fp16|bf16x2|int8|int4|e4m3|e5m2|mxfp4",
     "format of the head's input; head: that of its matrix, of a for int4, mxfp4 and nf4"},
    {"kv", "enum", "type", "type|fp32|bf16|fp16|int8|int4|e4m3|e5m2|mxfp4", "format of keys and values, by heads"},
    {"exact", "text", "", "", "parts that stay FP32: operations, layerN, weights, activations, kv, joined by + and ."},
};

}  // namespace gpt2run::grid
