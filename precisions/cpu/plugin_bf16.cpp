// Precision `cpu-bf16`.
#include "precision.hpp"

GPT2RUN_PLUGIN =
    gpt2run::cpu::cpu_plugin<gpt2run::bf16>("cpu-bf16", "BF16 weights and products on the CPU, sums in FP32");
