// Precision `cuda-fp32`.
#include "precision.hpp"

GPT2RUN_PLUGIN = gpt2run::cuda::cuda_plugin<float>("cuda-fp32", "FP32 weights and products on a CUDA device, no TF32");
