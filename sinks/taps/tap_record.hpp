// What a sequence's operations wrote, row by row, and the arrays that come of it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run {

// An operation and a layer, which is -1 outside of the layers.
using TapPlace = std::pair<std::string, int32_t>;

// The rows that one operation of one layer wrote for a sequence.
struct TapRows {
  std::vector<int32_t> positions;  // of the rows, ascending
  std::vector<float> values;       // row after row
};

// The rows of one sequence.
struct TapRecord {
  std::string name;             // the user's id as JSON, may be empty
  std::vector<int32_t> tokens;  // the prompt and the new tokens
  std::map<TapPlace, TapRows> rows;
};

// An array as the index names it.
struct TapArray {
  TapPlace place;
  std::string file;  // its name in the folder
  std::vector<int64_t> shape;
  std::vector<int32_t> positions;
};

// Writes a record's rows to a .npy file of this path: (rows, columns), or for attention weights (heads, rows, P) with P
// the last position + 1 and zeros behind a row's own position. Returns the shape. Throws Error.
std::vector<int64_t> write_array(OutputFile& file, const TapPlace& place, const TapRows& rows, int heads);

// What Hugging Face's transformers calls the values. layers: L.
std::string hugging_face_name(const TapPlace& place, int32_t layers);

// The text of the index for the arrays of one sequence: a JSON object.
std::string index_entry(uint64_t sequence, const TapRecord& record, const std::vector<TapArray>& arrays,
                        int32_t layers);

}  // namespace gpt2run
