// Writing of tensors to files, with conversion of type and orientation.
#pragma once
#include <string>

#include "gpt2run/loader.hpp"
#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run::convert {

// Whether a matrix is written as it is, (out, in), or transposed.
enum class Orientation : uint8_t { out_in, in_out };

constexpr bool is_quantised(Type type) { return type == Type::i8 || type == Type::u4; }

// Writes a tensor's values in row-major order without gaps, rounded to `type` to nearest, ties to even. Where the type
// stays the same, the bits do too. type: f32, f16, bf16, or f64 if that is the tensor's. name: the tensor's name for
// messages. Throws Error for a finite value that overflows in the type, and after an interrupt.
void write_values(OutputFile& file, const Tensor& tensor, Type type, const std::string& name,
                  Orientation orientation = Orientation::out_in);

// Writes a matrix as i8 or u4 (sdk/quantise.hpp): the codes of all rows, each row of u4 in whole bytes, then the rows'
// scales as FP32, then for u4 the bytes of the groups. A matrix that has this type already keeps its bits. Throws Error
// for a value that is not finite or too large to be scaled, and after an interrupt.
void write_quantised(OutputFile& file, const Tensor& tensor, Type type, const std::string& name);

// Writes a matrix in blocks of Q8_0 as llama.cpp's reference quantises them: 32 values x of a row become an FP16 scale
// d = largest |x| / 127, and 32 signed bytes x / d, rounded to nearest, ties away from zero. Throws Error for rows that
// are not of whole blocks, for a value that is not finite, for a scale that overflows, and after an interrupt.
void write_q8_0(OutputFile& file, const Tensor& tensor, const std::string& name);
inline constexpr int64_t kQ8Elements = 32, kQ8Bytes = 34;  // of a block

// The name of a weight in messages, such as "qkv_w of layer 3" or "wte".
std::string shown_name(Weight weight, int layer);

}  // namespace gpt2run::convert
