// One comparison of precisions, from the options to the results.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/evaluation/lockstep.hpp"
#include "common/ranks/ranked_start.hpp"
#include "gpt2compare/continuations.hpp"
#include "gpt2compare/report.hpp"

namespace gpt2run {

// The objects of a comparison. Used by one thread at a time.
class ComparisonRun {
 public:
  // Opens the models and the precisions, and reads the texts. `host`, `configuration` and `ranks` outlive the object.
  // Throws UsageError or Error.
  ComparisonRun(PluginHost& host, Configuration& configuration, Ranks& ranks);
  ComparisonRun(const ComparisonRun&) = delete;  // its instances point to its models
  ComparisonRun& operator=(const ComparisonRun&) = delete;

  // Continues the prompts, compares the precisions, and measures layers and floors. Every rank must call it, once. The
  // windows and the floors of the instances are shared among the ranks; rank 0 does the rest, and only it has the
  // results. Throws Error, also after an interrupt.
  void run();

  // The results, at rank 0 only.
  const Comparison& comparison() const { return comparison_; }

  // The continuations of the prompts side by side, in `width` columns; "" when there are none. At rank 0 only.
  std::string continuations(int width) const;

 private:
  static constexpr int64_t kShort = 64;  // with fewer targets, texts include their continuations
  static constexpr size_t kShown = 3;    // how many prompts are shown with their continuations

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
  std::unique_ptr<Checkpoint> test_model_;  // null: that of the reference
  int32_t context_ = 0;                     // the largest number of tokens before a target
  std::vector<Prompt> continued_;           // the prompts that are continued, and their indices among the texts
  std::vector<size_t> continued_texts_;
  bool appends_ = false;  // whether the reference's continuations are compared on too
  std::vector<Instance> instances_;
  std::vector<std::vector<Continuation>> continuations_;  // [instance][prompt]
  std::vector<Window> windows_;
  Comparison comparison_;
};

}  // namespace gpt2run
