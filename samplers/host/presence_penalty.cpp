// Sampler presence-penalty: subtracts a number from the logit of a token that has been chosen, however often.
#include "../common/host_occurrences.hpp"

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::OccurrencePenalty<false>>(
    "presence-penalty", false, "makes chosen tokens less likely, once (OpenAI)", gpt2run::kOccurrencePenaltyOptions);
