// What the tests of all loaders share: weights by name, a check that a checkpoint is whole, opening a model by a named
// loader.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "gpt2run/loader.hpp"
#include "support/golden.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {

// "qkv_w.3" -> weight and layer.
inline std::pair<Weight, int> parse_weight(const std::string& name) {
  const size_t dot = name.find('.');
  for (int i = 0; i < kWeights; ++i) {
    if (name.substr(0, dot) == name_of(static_cast<Weight>(i))) {
      return {static_cast<Weight>(i), std::atoi(name.c_str() + dot + 1)};
    }
  }
  ADD_FAILURE() << "no weight is named " << name;
  return {};
}

// Every weight of every layer is there with the shape that the configuration asks for.
inline void expect_complete(const Checkpoint& checkpoint) {
  const ModelConfig& m = checkpoint.config();
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) {
      const Tensor tensor = checkpoint.tensor(weight, layer);
      const Shape shape = shape_of(weight, m);
      EXPECT_NE(tensor.data, nullptr) << name_of(weight);
      EXPECT_EQ(tensor.rows, shape.rows) << name_of(weight);
      EXPECT_EQ(tensor.cols, shape.cols) << name_of(weight);
    }
  }
}

// Every weight that is named has the values that numpy has.
inline void expect_checksums(const Checkpoint& checkpoint, const std::map<std::string, uint64_t>& checksums) {
  EXPECT_FALSE(checksums.empty());
  for (const auto& [name, sum] : checksums) {
    const auto [weight, layer] = parse_weight(name);
    EXPECT_EQ(checksum(checkpoint.tensor(weight, layer)), sum) << name;
  }
}

// Opens a model by this loader; throws what the loader throws.
inline std::unique_ptr<Checkpoint> open_with(const char* loader, const std::string& path,
                                             const OptionValues& options = {}) {
  return make_plugin<Loader>(Kind::loader, loader, options)->open(path.c_str());
}
inline std::unique_ptr<Checkpoint> open_huggingface(const std::string& path) { return open_with("huggingface", path); }

}  // namespace gpt2run::test
