// Golden runs of tiny models, computed by transformers in double precision (scripts/make_model_goldens.py).
// A test that uses them compiles tests/support/golden.cpp and links nlohmann_json::nlohmann_json.
// Throws std::runtime_error with the file's name.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run::test {

// The logits at one position of the sequence tokens + greedy.
struct GoldenRow {
  int32_t position;
  double sum, rms;           // over the whole vocabulary
  std::vector<int32_t> ids;  // the tokens that `logits` are for: all, or a selection from a large vocabulary
  std::vector<double> logits;
};

struct Golden {
  std::string name, about;
  std::string model;            // for the loader: an absolute folder, or a spec that begins with "synthetic:"
  bool synthetic;               // true: the loader is synthetic; false: huggingface
  std::vector<int32_t> tokens;  // the prompt
  std::vector<GoldenRow> rows;
  std::vector<int32_t> greedy;  // the best token after the prompt, then after each of these; may fill the context
  std::vector<double> margins;  // best minus second-best logit for each of them
  std::map<std::string, uint64_t> checksums;  // "<weight>.<layer>" -> checksum(); empty for the demo model
};

// All golden runs, in order of their names. The demo model's is named "demo".
std::vector<Golden> load_goldens();

// Checksums of a few weights of large synthetic models: spec -> "<weight>.<layer>" -> checksum().
std::map<std::string, std::map<std::string, uint64_t>> load_synthetic_checksums();

// The sum of bits(i) * (2 i + 1) over a tensor's values as FP32 in row-major (out, in) order, whatever its type and
// strides. scripts/synthetic.py computes the same.
uint64_t checksum(const Tensor&);

// One value of a tensor as FP32.
float value_at(const Tensor&, int64_t row, int64_t col);

}  // namespace gpt2run::test
