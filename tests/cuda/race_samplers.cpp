#include "race_samplers.hpp"

#define gpt2run_plugin argmax_plugin
#include "../../samplers/cuda/argmax.cu"
#undef gpt2run_plugin
#define gpt2run_plugin min_p_plugin
#include "../../samplers/cuda/min_p.cu"
#undef gpt2run_plugin
#define gpt2run_plugin nucleus_plugin
#include "../../samplers/cuda/nucleus.cu"
#undef gpt2run_plugin
#define gpt2run_plugin repetition_penalty_plugin
#include "../../samplers/cuda/repetition_penalty.cu"
#undef gpt2run_plugin
#define gpt2run_plugin top_k_plugin
#include "../../samplers/cuda/top_k.cu"
#undef gpt2run_plugin

namespace gpt2run::test {

std::span<const Plugin* const> cuda_samplers() {
  static constexpr const Plugin* all[] = {&argmax_plugin, &min_p_plugin, &nucleus_plugin, &repetition_penalty_plugin,
                                          &top_k_plugin};
  return all;
}

}  // namespace gpt2run::test
