// The factor of a layer's attention scores, computed on the host for every device.
#pragma once
#include "gpt2run/loader.hpp"

namespace gpt2run {

// What the scores of this layer, q k / sqrt(D), are multiplied by: 1 / (layer + 1) with scale_by_layer, else 1.
inline float layer_scale(const ModelConfig& m, int layer) {
  return m.scale_by_layer ? 1 / static_cast<float>(layer + 1) : 1;
}

}  // namespace gpt2run
