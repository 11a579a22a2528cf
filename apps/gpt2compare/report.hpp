// What a comparison found, as tables for people and as JSON for programs.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "gpt2compare/floor.hpp"
#include "gpt2compare/layers.hpp"
#include "gpt2compare/series.hpp"
#include "gpt2run/pipeline.hpp"

namespace gpt2run {

struct TestResult {
  Series series;
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
// docs/formats.md has the format.
std::string to_json(const Comparison& comparison);

}  // namespace gpt2run
