// The same tokens through several sessions at once, row by row: memory does not grow with the text.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/texts.hpp"
#include "gpt2run/evaluation/teacher_forcing.hpp"

namespace gpt2run {

// Rows of a step: enough to prefill at speed, few enough for their logits to stay small.
inline constexpr int32_t kChunk = 64;

// The logits of one session's targets, one at a time, whatever its chunk. The session outlives it.
class RowReader {
 public:
  RowReader(std::string name, Session& session, int32_t chunk, int32_t slot = 0)
      : name_(std::move(name)), forced_(session, chunk, slot), vocab_(session.layout().vocab) {}

  const std::string& name() const { return name_; }
  TeacherForcing& forced() { return forced_; }
  void begin(const Window& window, uint64_t sequence);
  // Of the next target; until the next call. There is one for every target.
  std::span<const float> next();

 private:
  std::string name_;
  TeacherForcing forced_;
  int32_t vocab_;
  TargetRows rows_{};
  int32_t used_ = 0;
};

// Two rows that cannot be compared: NaN, or no token left. targets: of the window, up to theirs.
struct Incomparable : Error {
  Incomparable(const std::string& line, int32_t count) : Error(line), targets(count) {}
  int32_t targets;
};

using OnTarget = std::function<void(size_t test, const TargetPosition&, const RowDivergence&)>;

// Every target of a window, every test against ref. sequence: of the window's rows. Throws
// Incomparable naming the sides and the place.
void compare(RowReader& ref, std::span<RowReader> tests, const Window& window, uint64_t sequence,
             DivergenceMeter& meter, const OnTarget& on_target);

}  // namespace gpt2run
