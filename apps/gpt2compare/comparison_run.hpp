// One comparison from options to results.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/evaluation/lockstep.hpp"
#include "common/ranks/ranked_start.hpp"
#include "gpt2compare/continuations.hpp"
#include "gpt2compare/report.hpp"

namespace gpt2run {

class ComparisonRun {
 public:
  // Opens models and precisions and reads the texts. Throws UsageError or Error. host, configuration and ranks outlive
  // it.
  ComparisonRun(PluginHost& host, Configuration& configuration, Ranks& ranks);
  ComparisonRun(const ComparisonRun&) = delete;  // its instances look at its models
  ComparisonRun& operator=(const ComparisonRun&) = delete;

  // Generates, compares, measures the floor. Once, by every rank: windows are shared out, and the floors by instance;
  // the rest is rank 0's, which alone knows the results. Throws Error, also when interrupted() says so.
  void run();

  // Of rank 0.
  const Comparison& comparison() const { return comparison_; }
  std::string continuations(int width) const;  // side by side; "" when there are none

 private:
  static constexpr int64_t kShort = 64;  // targets: prompts with fewer take their continuations along
  static constexpr size_t kShown = 3;    // prompts whose continuations are shown

  int32_t integer(const char* key) const { return static_cast<int32_t>(configuration_.values().integer(key)); }
  void open_test_model();
  void read_texts();
  void open_instances();
  void continue_prompts();
  void share_texts();
  void compare_all();
  void compare_own(const OnTarget& on_target);
  std::string nan_of(std::span<const Window> windows);
  void measure_layers();
  void measure_floors();
  FloorPlan floor_plan();
  Manifest manifest() const;
  void check_ranks() const;
  const Checkpoint& checkpoint_of(size_t instance) const {
    return instance > 0 && test_model_ ? *test_model_ : evaluation_.checkpoint();
  }

  PluginHost& host_;
  const Configuration& configuration_;
  Ranks& ranks_;
  Resources resources_;  // of this rank
  Evaluation evaluation_;
  std::unique_ptr<Loader> test_loader_;
  std::unique_ptr<Checkpoint> test_model_;  // null: as the reference
  int32_t context_ = 0;                     // tokens before a target at most
  std::vector<Prompt> continued_;           // prompts that are continued, and where they are among the texts
  std::vector<size_t> continued_texts_;
  bool appends_ = false;  // continuations are texts to compare on
  std::vector<Instance> instances_;
  std::vector<std::vector<Continuation>> continuations_;  // [instance][prompt]
  std::vector<Window> windows_;
  Comparison comparison_;
};

}  // namespace gpt2run
