// The report of a comparison, as tables (report_table.cpp, report_formats.cpp, report_layers.cpp) and as JSON
// (report_json.cpp).
#pragma once
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/floors.hpp"
#include "common/evaluation/layers.hpp"
#include "common/evaluation/token_metrics.hpp"
#include "gpt2compare/islands.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// The results of one test.
struct TestResult {
  TokenMetrics series;
  std::vector<FloorPart> floor;       // of the reference and of this test; empty if not measured
  std::optional<int64_t> step_bytes;  // of weights that a step reads; none where it is not known
};

// The results of a comparison.
struct Comparison {
  std::string reference;  // the name of its instance
  std::vector<Prompt> texts;
  const Tokenizer* tokenizer;  // null where tokens have no text
  int64_t targets;
  std::vector<TestResult> tests;
  std::optional<Layers> layers;            // none if not measured
  std::optional<int64_t> reference_bytes;  // as TestResult::step_bytes
  std::optional<Islands> islands;          // none if not measured
  std::string manifest;                    // as JSON
};

// The short table, with one line for each test.
std::string to_table(const Comparison& comparison);

// The table of --formats in place of it: size and direction of the differences, and the bytes of weights.
std::string to_formats_table(const Comparison& comparison);

// The table of --islands, and which parts do half of the damage or more.
std::string to_table(const Islands& islands);

// The tables of --full: every metric of every test, the variations of the floor, buckets and flips.
std::string to_full_table(const Comparison& comparison);

// Remarks about layers: a line for each instance that writes NaN, and for each test that has an operation above its
// threshold, has no threshold, or has no taps; "" if there are none.
std::string to_lines(const Layers& layers);

// The table of layers: the ranges of the reference, and the errors of all tests.
std::string to_table(const Layers& layers);

// Everything as JSON, in the format of docs/formats.md.
std::string to_json(const Comparison& comparison);

}  // namespace gpt2run
