// The values of a tensor as bytes of a file.
#pragma once
#include <string>

#include "gpt2run/loader.hpp"
#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run::convert {

// Row-major, without gaps, in a type: to nearest, ties to even; bits stay as they are where the type stays. name: of
// the tensor, for errors. Throws Error for a finite value that the type cannot hold.
void write_values(OutputFile& file, const Tensor& tensor, Type type, const std::string& name);

// The same values with rows and columns exchanged.
Tensor turned(const Tensor& tensor);

// "qkv_w of layer 3", "wte".
std::string shown_name(Weight weight, int layer);

}  // namespace gpt2run::convert
