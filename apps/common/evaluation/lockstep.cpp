// Reads the rows of several teacher-forced sessions in lockstep.
#include "common/evaluation/lockstep.hpp"

namespace gpt2run {

void RowReader::begin(const Window& window, uint64_t sequence) {
  forced_.begin(window.tokens, 1, sequence);
  rows_ = {}, used_ = 0;
}

std::span<const float> RowReader::next() {
  while (used_ == rows_.rows) {
    used_ = 0;
    if (!forced_.next(rows_)) fail(name_, ": a row of logits expected, found none");
  }
  return {rows_.logits + used_++ * rows_.stride, static_cast<size_t>(vocab_)};
}

void compare(RowReader& ref, std::span<RowReader> tests, const Window& window, uint64_t sequence,
             DivergenceMeter& meter, const OnTarget& on_target) {
  ref.begin(window, sequence);
  for (RowReader& test : tests) test.begin(window, sequence);
  for (int32_t i = 1; i < std::ssize(window.tokens); ++i) {
    const TargetPosition place = position_of(window, i);
    const std::span<const float> row = ref.next();
    for (size_t t = 0; t < tests.size(); ++t) {
      RowDivergence found;
      try {
        found = meter.compare(row, tests[t].next(), window.tokens[i]);
      } catch (const Error& error) {
        throw Incomparable(tests[t].name() + " against " + ref.name() + ", text " + std::to_string(place.text) +
                               ", position " + std::to_string(place.position) + ": " + error.what(),
                           i);
      }
      on_target(t, place, found);
    }
  }
}

}  // namespace gpt2run
