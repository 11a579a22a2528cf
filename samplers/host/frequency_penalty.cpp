// Sampler frequency-penalty: subtracts a number from the logit of a token for each time that it has been chosen.
#include "../common/host_occurrences.hpp"

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::OccurrencePenalty<true>>(
    "frequency-penalty", false, "makes chosen tokens less likely, each time more (OpenAI)",
    gpt2run::kOccurrencePenaltyOptions);
