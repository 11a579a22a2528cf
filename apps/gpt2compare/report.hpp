// What a comparison found, as tables for people (report_table.cpp, report_layers.cpp) and as JSON for programs
// (report_json.cpp).
#pragma once
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/floors.hpp"
#include "common/evaluation/layers.hpp"
#include "common/evaluation/token_metrics.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

struct TestResult {
  TokenMetrics series;
  std::vector<FloorPart> floor;  // of the reference and of this test; empty: not measured
};

struct Comparison {
  std::string reference;  // name of the instance
  std::vector<Prompt> texts;
  const Tokenizer* tokenizer;  // null: ids only
  int64_t targets;
  std::vector<TestResult> tests;
  std::optional<Layers> layers;  // none: not measured
  std::string manifest;          // JSON
};

// A line for each test.
std::string to_table(const Comparison& comparison);
// Every metric of every test, the parts of the floor, buckets and flips.
std::string to_full_table(const Comparison& comparison);
// A line for each instance that writes NaN, and for each test that has an operation above its threshold, has no
// threshold or cannot be tapped; "" where there is none.
std::string to_lines(const Layers& layers);
// Errors of all tests side by side, and the reference's ranges.
std::string to_table(const Layers& layers);
// docs/formats.md has the format.
std::string to_json(const Comparison& comparison);

}  // namespace gpt2run
