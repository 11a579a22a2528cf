// Precision `cpu-int4`.
#include "int8_precision.hpp"

GPT2RUN_PLUGIN = gpt2run::cpu::quantised_plugin<gpt2run::cpu::Codes::int4>(
    "cpu-int4", "4-bit weights and INT8 activations on the CPU, exact sums");
