// Cells that several tables of gpt2compare share.
#pragma once
#include <string>

#include "gpt2compare/report.hpp"

namespace gpt2run {

// A mean with its standard errors: "0.1 +- 0.02 (0.03)".
std::string mean_cell(const Distribution& found, const char* format = "%.3g");

// The mark after a value: " =" for exactly equal, " ~" for not above the floor.
std::string mark_of(const TestResult& test, Metric metric);

std::string floor_cell(const TestResult& test, Metric metric);

// What the marks and the floor mean, as far as the table has them; a line each.
std::string legend_of(const Comparison& comparison);

// Such as "of 10 that changed 6 are better for the text and 4 worse: 0.6 [0.31, 0.83] are better".
std::string direction_line(const TokenMetrics& series);

}  // namespace gpt2run
