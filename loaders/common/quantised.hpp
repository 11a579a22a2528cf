// Quantised matrices, as gpt2convert writes them: codes under the name of the matrix, which is stored as (out, in), a
// scale for each of its rows under that name and ".scales", and for int4 a byte for each group under that name and
// ".groups". docs/formats.md describes the files, sdk/quantise.hpp the numbers.
#pragma once
#include <optional>
#include <string>

#include "gpt2run/json/json.hpp"
#include "gpt2run/loader.hpp"
#include "stored_tensors.hpp"

namespace gpt2run::loaders {

// The names of what belongs to a quantised matrix.
inline std::string scales_name(const std::string& matrix) { return matrix + ".scales"; }
inline std::string groups_name(const std::string& matrix) { return matrix + ".groups"; }

// The type that the setting quantization_config names: i8, u4, or nothing where it is missing, null or empty. path: the
// file, for messages. Throws Error for every other form of quantisation.
std::optional<Type> read_quantisation(const std::string& path, const json::Value& setting);

// Throws Error unless the metadata of the file says that its matrices are stored as (out, in).
void check_orientation(const StoredTensors& tensors);

// A view of a matrix of i8 or u4 where it lies. codes: the tensor of that name. Throws Error, naming file and tensor,
// for a part that is missing or has another shape or type, and for every number that the type does not have: a code of
// -128, a factor above 8, and a scale that is not 0 and not a number from 2^-107 on with 16 significant bits whose
// products with all codes are finite. The codes are released after the check.
Tensor quantised_view(const StoredTensors& tensors, const StoredTensor& codes, const std::string& name, Type type,
                      const Shape& shape);

}  // namespace gpt2run::loaders
