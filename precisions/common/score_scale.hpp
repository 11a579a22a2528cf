// The factor of attention's scores, computed on the host for every device.
#pragma once
#include <cmath>

#include "gpt2run/loader.hpp"

namespace gpt2run {

// What a product q k of this layer is multiplied by: 1 / sqrt(D), and with scale_by_layer also 1 / (layer + 1).
inline float score_scale(const ModelConfig& m, int layer) {
  const float scale = 1 / std::sqrt(static_cast<float>(m.C / m.H));
  return m.scale_by_layer ? scale / static_cast<float>(layer + 1) : scale;
}

}  // namespace gpt2run
