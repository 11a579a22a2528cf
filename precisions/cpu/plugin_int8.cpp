// Precision `cpu-int8`.
#include "int8_precision.hpp"

GPT2RUN_PLUGIN = gpt2run::cpu::quantised_plugin<gpt2run::cpu::Codes::int8>(
    "cpu-int8", "INT8 weights and activations on the CPU, exact sums");
