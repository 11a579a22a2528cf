// The report of gpt2perplexity, as a table and as JSON (docs/formats.md).
#pragma once
#include <string>
#include <vector>

#include "gpt2perplexity/measure.hpp"

namespace gpt2run {

// What a report shows.
struct Report {
  std::string protocol;  // its name
  Rule rule;
  std::string model;
  const Work* work;
  std::optional<int64_t> bytes;  // as bytes_of() returns it
  std::vector<Result> results;
};

std::string to_table(const Report& report);
std::string to_json(const Report& report, const Manifest& manifest);

}  // namespace gpt2run
