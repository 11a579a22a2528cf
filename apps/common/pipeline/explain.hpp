// The text of --explain: the stages of a pipeline, the memory space of each, what a step copies, how much memory the
// run needs, and how many tokens are generated between two synchronisations. Nothing is run.
#pragma once
#include <cstdint>
#include <string>

#include "common/pipeline/compose.hpp"

namespace gpt2run {

// The bytes of one element in memory: of the layers' weights, of embedding and head, of keys and values.
struct ElementBytes {
  double layers = 4, embedding = 4, cache = 4;
};

// The least memory that a session needs, in bytes. A plugin may need more than its contract implies: `reference` stores
// floats for every type, and a GPU needs workspace. The loader's tensors are not counted; they are mapped (huggingface,
// llmc) or held in memory (synthetic).
//   weights    the elements of all tensors, each with the bytes of its kind; a tied head counts once
//   KV cache   bytes of an element x 2 x L x C x slots x context
//   logits     4 x logit rows x V, twice when the chain changes logits and a sink wants the raw ones
//   activations  4 x rows x (7C + F): residual, queries, attention, products before their bias, MLP
//   tables     8 x slots x (context + 1) for tokens and log-probabilities, and a RowKey per logit row
MemoryUse memory_of(const ModelConfig& config, const Limits& limits, bool tied, const ElementBytes& bytes);

// The bytes of weights that every step reads: all tensors except wpe, and except a wte that is not also the head, since
// a step reads only single rows of these.
int64_t weights_per_step(const ModelConfig& config, const ElementBytes& bytes);

// Whether the head is the token embedding, wte.
bool is_tied(const Checkpoint& checkpoint);

// The size of the checkpoint's tensors in bytes, as the loader provides them; a tied head counts once. Every layer is
// assumed to have the types of the first.
int64_t stored_bytes(const Checkpoint& checkpoint);

// By the precision's name and options, for use before there is a session; those of FP32 when these do not tell the
// type.
ElementBytes element_bytes(const BoundPlugin& precision);

// The bytes of one element of a key or value of an open session: what the contract says with its word kv, or else those
// of a weight; 0 when the traits do not tell.
int cache_bytes(const Traits& traits, const ModelConfig& config);

// Such as "1.5 kB" for 1500, in powers of 1000.
std::string shown_bytes(int64_t bytes);

// The whole text of --explain.
std::string explain(const Composition& composition);

}  // namespace gpt2run
