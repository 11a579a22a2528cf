// What a composed pipeline is, in words and bytes, without running it: who produces what in which memory, what is
// copied at each step, what memory it needs, and how many tokens are made between two waits.
#pragma once
#include <cstdint>
#include <string>

#include "common/pipeline/compose.hpp"

namespace gpt2run {

// Bytes of a session, by the type's size b (fp32: 4, fp16 and bf16: 2). It is the least: a plugin may keep more than
// its contract tells (`reference` stores floats for every type, a device's kernels need room), and the loader's tensors
// stand beside it, mapped (huggingface, llmc) or held (synthetic).
//   weights    b x (elements of all tensors; a tied head counts once)
//   KV cache   b x 2 x L x C x slots x context
//   logits     4 x logit rows x V, twice when the chain changes logits and a sink wants the raw ones
//   activations  4 x rows x (7C + F): residual, queries, attention, products before their bias, MLP
//   tables     8 x slots x (context + 1) tokens and log-probabilities, and 32 x logit rows of keys
// bytes: of one element in the precision's type.
MemoryUse memory_of(const ModelConfig& config, const Limits& limits, bool tied, int bytes);

// Bytes of weights that one step reads whatever its rows: all but wpe, and but a wte that is not the head, of which
// single rows are read.
int64_t weights_per_step(const ModelConfig& config, int bytes);

bool is_tied(const Checkpoint& checkpoint);

// Bytes of the checkpoint's tensors as the loader gives them; a tied head counts once. Taken by the first layer's
// types.
int64_t stored_bytes(const Checkpoint& checkpoint);

// Bytes of one element of the precision's type, before a session tells what it stores (Traits); 0 when neither name nor
// options tell the type.
int element_bytes(const BoundPlugin& precision);

// The same as the session tells it; 0: not told.
int element_bytes(const Traits& traits, const ModelConfig& config);

// 1500 -> "1.5 kB": powers of 1000.
std::string shown_bytes(int64_t bytes);

std::string explain(const Composition& composition);

}  // namespace gpt2run
