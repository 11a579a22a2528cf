// Precision `cuda-fp16`.
#include "precision.hpp"

GPT2RUN_PLUGIN =
    gpt2run::cuda::cuda_plugin<gpt2run::f16>("cuda-fp16", "FP16 weights and products on a CUDA device, sums in FP32");
