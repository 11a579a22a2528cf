// Sampler presence-penalty on the device: subtracts a number from the logit of a token that has been chosen, however
// often.
#include "occurrences.cuh"

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::OccurrencePenalty<false>>(
    "presence-penalty", false, "makes chosen tokens less likely, once (OpenAI)", gpt2run::kOccurrencePenaltyOptions,
    std::size(gpt2run::kOccurrencePenaltyOptions));
