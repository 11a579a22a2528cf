// Precision `cpu-fp32`.
#include "precision.hpp"

GPT2RUN_PLUGIN = gpt2run::cpu::cpu_plugin<float>("cpu-fp32", "FP32 on the CPU");
