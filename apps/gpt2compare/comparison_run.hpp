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

// The objects of a comparison. The reference stays open from the beginning to the end. The tests take turns: as many at
// a time are open as memory holds, or as --open says, and each group of them is compared, measured and closed before
// the next one is opened. The groups do not change the results. Used by one thread at a time.
class ComparisonRun {
 public:
  // Opens the models, creates the precisions, and reads the texts. `host`, `configuration` and `ranks` outlive the
  // object. Throws UsageError or Error.
  ComparisonRun(PluginHost& host, Configuration& configuration, Ranks& ranks);
  ComparisonRun(const ComparisonRun&) = delete;  // its instances point to its models
  ComparisonRun& operator=(const ComparisonRun&) = delete;

  // Continues the prompts, compares the precisions, and measures layers, floors and islands. Every rank must call it,
  // once. The windows and the floors of the instances are shared among the ranks; rank 0 does the rest, and only it has
  // the results. Throws Error, also after an interrupt.
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
  void create_instances();
  Limits limits_for(const Instance& instance) const;
  void open_next(std::vector<Instance>& waiting);
  size_t next_group(std::span<const Instance> waiting) const;
  void close_tests();
  void continue_prompts();
  void share_texts();
  void cut_texts();
  std::vector<TokenMetrics> compare_open();
  void compare_own(const OnTarget& on_target);
  void compare_tests();
  void measure_islands();
  std::vector<double> divergence_with(const BoundPlugin& base, std::span<const std::string> exact);
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
  bool appends_ = false;                                  // whether the reference's continuations are compared on too
  std::vector<Instance> instances_;                       // those that are open: the reference, and a group of tests
  std::vector<Instance> waiting_;                         // tests whose turn has not come
  int64_t longest_ = 2;                                   // tokens of the longest window
  std::vector<std::string> names_;                        // of all instances
  std::vector<std::vector<Continuation>> continuations_;  // [instance][prompt]
  std::vector<FloorPart> reference_floor_;                // at the rank that measures it, and at rank 0
  std::optional<BoundPlugin> island_base_;                // the test as a precision with the option `exact`
  std::vector<Window> windows_;
  Comparison comparison_;
};

}  // namespace gpt2run
