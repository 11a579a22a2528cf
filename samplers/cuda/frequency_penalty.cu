// Sampler frequency-penalty on the device: subtracts a number from the logit of a token for each time that it has been
// chosen.
#include "occurrences.cuh"

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::OccurrencePenalty<true>>(
    "frequency-penalty", false, "makes chosen tokens less likely, each time more (OpenAI)",
    gpt2run::kOccurrencePenaltyOptions, std::size(gpt2run::kOccurrencePenaltyOptions));
