// Lockstep teacher forcing: feeds the same tokens to several sessions and compares their logits row by row, so that
// memory does not grow with the length of the text.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/texts.hpp"
#include "gpt2run/evaluation/teacher_forcing.hpp"

namespace gpt2run {

// Rows per step: enough for a fast prefill, and few enough to keep the logits small.
inline constexpr int32_t kChunk = 64;

// Reads the logits of one session's targets one row at a time, whatever its number of rows per step. The session
// outlives it.
class RowReader {
 public:
  RowReader(std::string name, Session& session, int32_t chunk, int32_t slot = 0)
      : name_(std::move(name)), forced_(session, chunk, slot), vocab_(session.layout().vocab) {}

  const std::string& name() const { return name_; }
  TeacherForcing& forced() { return forced_; }
  void begin(const Window& window, uint64_t sequence);
  // The logits of the next target (V), valid until the next call. Throws Error after the last target.
  std::span<const float> next();

 private:
  std::string name_;
  TeacherForcing forced_;
  int32_t vocab_;
  TargetRows rows_{};
  int32_t used_ = 0;
};

// Thrown for two rows that cannot be compared, because of a NaN or because no token has a probability above 0. targets:
// how many targets of the window were read, this one included.
struct Incomparable : Error {
  Incomparable(const std::string& line, int32_t count) : Error(line), targets(count) {}
  int32_t targets;
};

// Called with the index of the test, the position of the target, and the divergence of the two rows.
using OnTarget = std::function<void(size_t test, const TargetPosition&, const RowDivergence&)>;

// Compares every test with `ref` at every target of a window. sequence: the number of the window's rows for random
// draws. Throws Incomparable naming the two sides and the position.
void compare(RowReader& ref, std::span<RowReader> tests, const Window& window, uint64_t sequence,
             DivergenceMeter& meter, const OnTarget& on_target);

}  // namespace gpt2run
