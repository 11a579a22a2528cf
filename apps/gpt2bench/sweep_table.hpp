// What the passes of a sweep took, gathered while it runs, as tables. Times are in milliseconds.
#pragma once
#include <string>
#include <vector>

#include "gpt2run/sink.hpp"

namespace gpt2run {

// Hears of one run's passes, in which one sequence at a time is made.
class PassRecorder final : public Sink {
 public:
  struct Pass {
    StepTimes times;
    int position;  // of the token that it chose; -1: it read a prompt
    double all() const;
  };

  uint32_t wants() const override { return kTimes | kAnyOrder; }
  void pass(const PassEvent& event) override { passes_.push_back({event.times, -1}); }
  void token(const TokenEvent& event) override;

  const std::vector<Pass>& passes() const { return passes_; }
  int64_t tokens() const { return tokens_; }

 private:
  std::vector<Pass> passes_;
  int64_t tokens_ = 0;
};

// Comma-separated values, a line of names first, and the same in short for a terminal.
class SweepTable {
 public:
  // One run. open_seconds: of its summary.
  void add(const std::string& precision, const std::string& placement, int length, const PassRecorder& recorder,
           double open_seconds);

  // Per key: model_initialization, the phases of all passes, then whole passes: `prompt`, those that read one, and
  // `token`, those that chose one. std is of a sample, empty for fewer than two values; so are all where there are
  // none.
  const std::string& summary() const { return summary_; }
  const std::string& positions() const { return positions_; }  // `token` by the position of what was chosen
  std::string shown() const;

 private:
  std::string summary_ = "precision,placement,T,key,mean,median,std,count,total\n";
  std::string positions_ = "precision,placement,T,position,mean,median,std,count\n";
  std::vector<std::vector<std::string>> shown_ = {
      {"PRECISION", "PLACEMENT", "T", "TOKENS", "MEDIAN", "MEAN", "STD", "FORWARD", "COPIES", "SAMPLING"}};
};

}  // namespace gpt2run
