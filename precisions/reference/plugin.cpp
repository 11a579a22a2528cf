// Precision `reference`: every rounding contract with sums in double. All other precisions are compared with it.
#include "grid.hpp"

GPT2RUN_PLUGIN = gpt2run::precision_plugin<gpt2run::grid::GridOps>(
    "reference", "any rounding contract, plain loops, sums in double", gpt2run::grid::kGridOptions);
