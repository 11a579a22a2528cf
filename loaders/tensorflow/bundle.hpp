// A TensorFlow checkpoint of version 2 (a bundle): NAME.index says of each tensor where it lies, in
// NAME.data-00000-of-00001 or in one of several such files.
#pragma once
#include "../common/stored_tensors.hpp"

namespace gpt2run::tensorflow {

// Adds the tensors of F64, F32, F16 and BF16 under the names of transformers: model/h0/attn/c_attn/w becomes
// h.0.attn.c_attn.weight, and its shape (1, in, out) becomes (in, out). Names of another form stay as they are.
// tensors.path() is the index. check_sums: reads all tensors and checks their sums. Throws Error for a checkpoint that
// is damaged, cut or in big-endian order.
void add_bundle(loaders::StoredTensors& tensors, bool check_sums);

}  // namespace gpt2run::tensorflow
