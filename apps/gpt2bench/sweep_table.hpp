// The tables of a sweep: times of its steps in milliseconds, collected while it runs.
#pragma once
#include <string>
#include <vector>

#include "gpt2run/sink.hpp"

namespace gpt2run {

// A sink that records the times of one run's steps. The run generates one sequence at a time.
class StepRecorder final : public Sink {
 public:
  struct Step {
    StepTimes times;
    int position;        // of the token that it sampled; -1 if it only read the prompt
    double all() const;  // the sum of all phases
  };

  uint32_t wants() const override { return kTimes | kAnyOrder; }
  void step(const StepEvent& event) override { steps_.push_back({event.times, -1}); }
  void token(const TokenEvent& event) override;

  const std::vector<Step>& steps() const { return steps_; }
  int64_t tokens() const { return tokens_; }

 private:
  std::vector<Step> steps_;
  int64_t tokens_ = 0;
};

// The tables as comma-separated values with a header line, and a short form for a terminal.
class SweepTable {
 public:
  // Adds one run. open_seconds: how long the session took to open.
  void add(const std::string& precision, const std::string& placement, int length, const StepRecorder& recorder,
           double open_seconds);

  // Statistics of each run, a line per key: model_initialization, each phase over all steps, then the whole steps, as
  // `prompt` for those that only read the prompt and
  // `token` for those that sampled a token. std is the sample standard deviation. It is empty for fewer than two
  // values, and all statistics are empty for no value.
  const std::string& summary() const { return summary_; }
  // The statistics of `token` for each position of the sampled token.
  const std::string& positions() const { return positions_; }
  // The short table for a terminal.
  std::string shown() const;

 private:
  std::string summary_ = "precision,placement,T,key,mean,median,std,count,total\n";
  std::string positions_ = "precision,placement,T,position,mean,median,std,count\n";
  std::vector<std::vector<std::string>> shown_ = {
      {"PRECISION", "PLACEMENT", "T", "TOKENS", "MEDIAN", "MEAN", "STD", "FORWARD", "COPIES", "SAMPLING"}};
};

}  // namespace gpt2run
