// Precision `cpu-fp16`.
#include "precision.hpp"

GPT2RUN_PLUGIN =
    gpt2run::cpu::cpu_plugin<gpt2run::f16>("cpu-fp16", "FP16 weights and products on the CPU, sums in FP32");
