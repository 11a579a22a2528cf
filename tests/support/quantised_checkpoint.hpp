// QuantisedCheckpoint: the matrices of another checkpoint in i8, or those of the layers in u4, in memory. wpe and
// vectors stay as they are.
#pragma once
#include <map>
#include <vector>

#include "gpt2run/loader.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/quantise.hpp"

namespace gpt2run::test {

inline bool is_quantised_matrix(Weight weight) {
  const std::string_view name = name_of(weight);
  return weight != Weight::wpe && !name.starts_with("ln") && !name.ends_with("_b");
}

class QuantisedCheckpoint final : public Checkpoint {
 public:
  // inner: outlives this object.
  QuantisedCheckpoint(const Checkpoint& inner, Type type) : inner_(inner), type_(type) {
    for (int w = 0; w < kWeights; ++w) {
      const auto weight = static_cast<Weight>(w);
      if (!is_quantised_matrix(weight) || (weight == Weight::head_w && config().tied_head)) continue;
      for (int layer = 0; layer < (is_per_layer(weight) ? config().L : 1); ++layer)
        matrices_.emplace(std::pair(weight, layer),
                          quantised(inner.tensor(weight, layer), quantised_type_of(weight, type)));
    }
  }

  const ModelConfig& config() const override { return inner_.config(); }
  const char* tokenizer() const override { return nullptr; }

  Tensor tensor(Weight weight, int layer) const override {
    const bool tied = inner_.tensor(Weight::head_w, 0).data == inner_.tensor(Weight::wte, 0).data;
    if (weight == Weight::head_w && tied) weight = Weight::wte;
    if (!is_quantised_matrix(weight)) return inner_.tensor(weight, layer);
    const Matrix& m = matrices_.at({weight, layer});
    const Shape shape = shape_of(weight, config());
    const Type type = quantised_type_of(weight, type_);
    const bool pairs = type == Type::u4;
    return {m.codes.data(),
            type,
            shape.rows,
            shape.cols,
            pairs ? 2 * bytes_of(type, shape.cols) : shape.cols,
            1,
            m.scales.data(),
            pairs ? m.groups.data() : nullptr,
            pairs ? kInt4Group : 0};
  }

 private:
  struct Matrix {
    std::vector<uint8_t> codes, groups;
    std::vector<float> scales;
  };

  static Matrix quantised(const Tensor& t, Type type) {
    Matrix m;
    std::vector<float> row(static_cast<size_t>(t.cols));
    std::vector<uint8_t> codes(row.size());
    std::vector<Int4Group> groups((row.size() + kInt4Group - 1) / kInt4Group);
    for (int64_t r = 0; r < t.rows; ++r) {
      for (int64_t c = 0; c < t.cols; ++c) row[static_cast<size_t>(c)] = at(t, r, c);
      m.scales.push_back(type == Type::i8 ? quantise_int8(row, reinterpret_cast<int8_t*>(codes.data()))
                                          : quantise_int4(row, codes.data(), groups.data()));
      if (type == Type::i8) {
        m.codes.insert(m.codes.end(), codes.begin(), codes.end());
        continue;
      }
      for (size_t i = 0; i < codes.size(); i += 2)
        m.codes.push_back(static_cast<uint8_t>(codes[i] | (i + 1 < codes.size() ? codes[i + 1] << 4 : 0)));
      for (const Int4Group group : groups) m.groups.push_back(group.byte());
    }
    return m;
  }

  const Checkpoint& inner_;
  Type type_;
  std::map<std::pair<Weight, int>, Matrix> matrices_;
};

}  // namespace gpt2run::test
