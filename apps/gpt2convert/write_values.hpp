// Writing of tensors to files, with conversion of type and orientation.
#pragma once
#include <string>

#include "gpt2run/loader.hpp"
#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run::convert {

// Writes a tensor's values in row-major order without gaps, rounded to `type` to nearest, ties to even. Where the type
// stays the same, the bits do too. name: the tensor's name for messages. Throws Error for a finite value that overflows
// in the type, and after an interrupt.
void write_values(OutputFile& file, const Tensor& tensor, Type type, const std::string& name);

// The transposed view of a tensor.
Tensor transposed(const Tensor& tensor);

// The name of a weight in messages, such as "qkv_w of layer 3" or "wte".
std::string shown_name(Weight weight, int layer);

}  // namespace gpt2run::convert
