#include "race_samplers.hpp"

#define gpt2run_plugin argmax_plugin
#include "../../samplers/cuda/argmax.cu"
#undef gpt2run_plugin
#define gpt2run_plugin frequency_penalty_plugin
#include "../../samplers/cuda/frequency_penalty.cu"
#undef gpt2run_plugin
#define gpt2run_plugin logit_bias_plugin
#include "../../samplers/cuda/logit_bias.cu"
#undef gpt2run_plugin
#define gpt2run_plugin min_p_plugin
#include "../../samplers/cuda/min_p.cu"
#undef gpt2run_plugin
#define gpt2run_plugin min_tokens_plugin
#include "../../samplers/cuda/min_tokens.cu"
#undef gpt2run_plugin
#define gpt2run_plugin mirostat_plugin
#include "../../samplers/cuda/mirostat.cu"
#undef gpt2run_plugin
#define gpt2run_plugin no_repeat_ngram_plugin
#include "../../samplers/cuda/no_repeat_ngram.cu"
#undef gpt2run_plugin
#define gpt2run_plugin nucleus_plugin
#include "../../samplers/cuda/nucleus.cu"
#undef gpt2run_plugin
#define gpt2run_plugin presence_penalty_plugin
#include "../../samplers/cuda/presence_penalty.cu"
#undef gpt2run_plugin
#define gpt2run_plugin repetition_penalty_plugin
#include "../../samplers/cuda/repetition_penalty.cu"
#undef gpt2run_plugin
#define gpt2run_plugin top_k_plugin
#include "../../samplers/cuda/top_k.cu"
#undef gpt2run_plugin
#define gpt2run_plugin typical_plugin
#include "../../samplers/cuda/typical.cu"
#undef gpt2run_plugin

namespace gpt2run::test {

std::span<const Plugin* const> cuda_samplers() {
  static constexpr const Plugin* all[] = {
      &argmax_plugin,           &frequency_penalty_plugin,  &logit_bias_plugin,      &min_p_plugin,
      &min_tokens_plugin,       &mirostat_plugin,           &no_repeat_ngram_plugin, &nucleus_plugin,
      &presence_penalty_plugin, &repetition_penalty_plugin, &top_k_plugin,           &typical_plugin};
  return all;
}

}  // namespace gpt2run::test
