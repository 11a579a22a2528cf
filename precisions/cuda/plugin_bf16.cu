// Precision `cuda-bf16`.
#include "precision.hpp"

GPT2RUN_PLUGIN =
    gpt2run::cuda::cuda_plugin<gpt2run::bf16>("cuda-bf16", "BF16 weights and products on a CUDA device, sums in FP32");
