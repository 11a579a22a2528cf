// The steps of a comparison, in the order of run().
#include "gpt2compare/comparison_run.hpp"

#include <unistd.h>

#include <algorithm>

#include "common/config/create.hpp"
#include "common/config/record.hpp"
#include "common/pipeline/loader_choice.hpp"
#include "common/pipeline/model_path.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/progress.hpp"
#include "common/prompts/prompts.hpp"
#include "common/ranks/ranked_items.hpp"
#include "gpt2compare/side_by_side.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/processors.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

// With --test_model and no --test, the two models are compared under the precision of --ref.
std::vector<const char*> precision_options(const Configuration& configuration) {
  single_plugin(configuration, "ref");
  const bool same =
      configuration.layer("test") == Layer::fallback && configuration.layer("test_model") != Layer::fallback;
  return {"ref", same ? "ref" : "test"};
}

}  // namespace

ComparisonRun::ComparisonRun(PluginHost& host, Configuration& configuration, Ranks& ranks)
    : host_(host),
      configuration_(configuration),
      ranks_(ranks),
      resources_(resources_of(configuration, ranks)),
      evaluation_(host, configuration, precision_options(configuration)) {
  check_output(host, configuration, evaluation_.model(), evaluation_.plugins(),
               {"--json", configuration.values().text("json")});
  open_test_model();
  share_standard_input(ranks, configuration);
  read_texts();
  open_instances();
}

void ComparisonRun::open_test_model() {
  const std::string path = model_path(std::string(configuration_.values().text("test_model")));
  const ModelConfig& ours = evaluation_.checkpoint().config();
  context_ = ours.T;
  if (path.empty()) return;
  BoundPlugin loader = choose_loader(host_, configuration_, path);
  const BoundPlugin& bound = *evaluation_.plugins().front();
  if (loader.plugin == bound.plugin) loader.values = bound.values;
  test_loader_ = create<Loader>(loader);
  test_model_ = open_model(*test_loader_, loader, path);
  const ModelConfig& theirs = test_model_->config();
  if (theirs.V != ours.V)
    fail("--test_model ", path, ": expected a vocabulary of ", ours.V, " tokens, that of ", evaluation_.model(),
         ", found ", theirs.V);
  context_ = std::min(ours.T, theirs.T);
}

void ComparisonRun::read_texts() {
  const ModelConfig& config = evaluation_.checkpoint().config();
  comparison_.tokenizer = evaluation_.tokenizer();
  comparison_.texts = texts_of(configuration_, evaluation_.tokenizer(), config);
  const int32_t window = integer("window"), max_new = integer("max_new_tokens");
  if (window > context_) usage_error("--window: expected at most ", context_, ", the context, found ", window);
  std::vector<Prompt>& texts = comparison_.texts;
  int64_t targets = 0;
  for (const Prompt& text : texts) targets += std::ssize(text.tokens) - 1;
  const bool has_prompts = configuration_.values().text("text").empty();
  appends_ = has_prompts && targets < kShort && max_new > 0;
  for (size_t t = 0; has_prompts && max_new > 0 && t < texts.size(); ++t) {
    if (!appends_ && continued_.size() == kShown) break;
    if (std::ssize(texts[t].tokens) > context_) continue;
    continued_.push_back(texts[t]);
    continued_texts_.push_back(t);
  }
  if (window > 0) context_ = window;
}

void ComparisonRun::open_instances() {
  const int32_t threads = resources_.threads, device = resources_.device, max_new = integer("max_new_tokens");
  int64_t longest = 2;
  for (const Prompt& text : comparison_.texts)
    longest = std::max(longest, std::ssize(text.tokens) + (appends_ ? max_new : 0));
  longest = std::min<int64_t>(longest, context_ + 1);
  Limits limits = teacher_forcing_limits(static_cast<int32_t>(longest), kChunk, threads, device);
  const std::span<const BoundPlugin> precisions = evaluation_.precisions();
  for (size_t i = 0; i < precisions.size(); ++i) {
    if (!continued_.empty())
      limits = wider(limits, continuation_limits(checkpoint_of(i).config(), continued_, max_new, threads, device));
    Instance instance = open_instance(precisions[i], checkpoint_of(i), limits);
    if (i > 0 && test_model_) instance.name += " with " + std::string(configuration_.values().text("test_model"));
    for (size_t other = 1; other < i; ++other)
      if (instances_[other].name == instance.name) usage_error("--test: ", instance.name, " is given twice");
    instances_.push_back(std::move(instance));
  }
}

void ComparisonRun::continue_prompts() {
  if (continued_.empty() || !ranks_.is_root()) return;
  const Plugin& plugin = host_.get(Kind::sampler, "argmax");
  const auto argmax = create<Sampler>(BoundPlugin(plugin, {plugin.name, {}}, Layer::fallback, &host_));
  const auto check = [&] { end_if_asked(ranks_, " while prompts were continued"); };
  continuations_ = continue_greedily(instances_, *argmax, continued_, integer("max_new_tokens"), check);
  if (appends_) log_info("short prompts: compared on their continuations by " + instances_[0].name + " too");
}

// Gives all ranks the continuations that rank 0 has generated, so that all compare on the same texts.
void ComparisonRun::share_texts() {
  if (!appends_) return;
  std::string own;
  for (size_t i = 0; ranks_.is_root() && i < continued_.size(); ++i) {
    append_value(own, continuations_[0][i].tokens.size());
    for (const int32_t token : continuations_[0][i].tokens) append_value(own, token);
  }
  const std::string shared = ranks_.share(std::move(own));
  std::string_view left = shared;
  for (const size_t text : continued_texts_)
    for (auto count = read_value<size_t>(left); count > 0; --count)
      comparison_.texts[text].tokens.push_back(read_value<int32_t>(left));
}

void ComparisonRun::compare_own(const OnTarget& on_target) {
  RowReader ref(instances_[0].name, *instances_[0].session, kChunk);
  std::vector<RowReader> tests;
  for (size_t i = 1; i < instances_.size(); ++i) tests.emplace_back(instances_[i].name, *instances_[i].session, kChunk);
  int64_t all = 0, done = 0;
  for (size_t w = 0; w < windows_.size(); ++w)
    if (ranks_.owns(w)) all += targets_of({&windows_[w], 1}) * std::ssize(tests);
  Progress progress("targets", configuration_.values().flag("quiet"));
  DivergenceMeter meter(integer("overlap"));
  for (size_t w = 0; w < windows_.size(); ++w) {
    if (!ranks_.owns(w)) continue;
    try {
      compare(ref, tests, windows_[w], w, meter,
              [&](size_t test, const TargetPosition& place, const RowDivergence& row) {
                end_if_asked(ranks_, ", ", done, " of ", all, " targets were compared");
                on_target(test, place, row);
                progress.update(++done, all);
              });
    } catch (const Incomparable& error) {
      fail(error.what(), nan_of(first_targets({&windows_[w], 1}, error.targets)));
    }
  }
}

// Such as "; the first operation of NAME that writes NaN is ...", for an error message; "" when that is not known.
std::string ComparisonRun::nan_of(std::span<const Window> windows) {
  const std::string place = first_nan(instances_, windows, [&] { end_if_asked(ranks_, " while NaN was looked for"); });
  return place.empty() ? "" : "; " + place;
}

void ComparisonRun::compare_all() {
  windows_ = windows_of(comparison_.texts, context_, integer("limit"));
  comparison_.targets = targets_of(windows_);
  if (comparison_.targets == 0) fail("expected a text of at least 2 tokens to compare on, found none");
  comparison_.reference = instances_[0].name;
  comparison_.tests.resize(instances_.size() - 1);
  for (size_t i = 1; i < instances_.size(); ++i) comparison_.tests[i - 1].series.name = instances_[i].name;
  if (ranks_.size() == 1) {
    return compare_own([&](size_t test, const TargetPosition& place, const RowDivergence& row) {
      comparison_.tests[test].series.add(place, row);
    });
  }
  std::string own;
  compare_own([&](size_t, const TargetPosition&, const RowDivergence& row) { append_value(own, row); });
  std::vector<size_t> sizes;
  for (const Window& window : windows_)
    sizes.push_back((window.tokens.size() - 1) * comparison_.tests.size() * sizeof(RowDivergence));
  gather_items(ranks_, std::move(own), sizes, [&](size_t item, std::string_view bytes) {
    for (int32_t i = 1; !bytes.empty(); ++i)
      for (TestResult& test : comparison_.tests)
        test.series.add(position_of(windows_[item], i), read_value<RowDivergence>(bytes));
  });
}

void ComparisonRun::measure_layers() {
  if (integer("layers") == 0 || !ranks_.is_root()) return;
  if (test_model_ && configuration_.layer("layers") == Layer::fallback) {
    const ModelConfig &ours = evaluation_.checkpoint().config(), &theirs = test_model_->config();
    if (ours.L != theirs.L || ours.C != theirs.C || ours.F != theirs.F)
      return log_info("the models have other shapes: what their operations write is not compared");
  }
  const auto check = [&] { end_if_asked(ranks_, " while operations were compared"); };
  comparison_.layers =
      compare_layers(instances_, windows_, integer("layers"), configuration_.values().real("layer_threshold"), check);
}

FloorPlan ComparisonRun::floor_plan() {
  // A rank may be bound to a part of the machine's cores, so those of the whole machine are counted.
  const int64_t cores = ranks_.size() > 1 ? sysconf(_SC_NPROCESSORS_ONLN) : processors();
  const int32_t threads = integer("threads");
  return {integer("floor_targets"),
          integer("overlap"),
          resources_.threads,
          resources_.device,
          threads == 1 || (threads == 0 && cores == 1),
          ranks_};
}

// Rank i mod size measures instance i. A test that is the same precision as the reference has the reference's floor.
void ComparisonRun::measure_floors() {
  if (configuration_.values().text("floor") == "off") return;
  const FloorPlan plan = floor_plan();
  std::vector<std::vector<FloorPart>> floors(instances_.size());
  for (size_t i = 0; i < instances_.size(); ++i)
    if (ranks_.owns(i) && (i == 0 || instances_[i].name != instances_[0].name))
      floors[i] = floor_of(host_, instances_[i], windows_, plan);
  gather_floors(ranks_, floors);
  for (size_t i = 1; i < instances_.size(); ++i) {
    std::vector<FloorPart>& floor = comparison_.tests[i - 1].floor;
    floor = floors[0];
    std::ranges::move(floors[i], std::back_inserter(floor));
  }
}

Manifest ComparisonRun::manifest() const {
  std::vector<RecordedOption> options{{"model", absolute_path(evaluation_.model()), "text"}};
  for (const char* key : {"test_model", "text"})
    if (const std::string path(configuration_.values().text(key)); !path.empty())
      options.push_back({key, absolute_path(path), "text"});
  for (const char* key :
       {"max_new_tokens", "window", "limit", "overlap", "floor_targets", "layers", "threads", "device"})
    options.push_back({key, configuration_.values().shown(key), "int"});
  options.push_back({"layer_threshold", configuration_.values().shown("layer_threshold"), "real"});
  options.push_back({"floor", configuration_.values().shown("floor"), "enum"});
  options.push_back({"no_special", configuration_.values().shown("no_special"), "bool"});
  return evaluation_.manifest(std::move(options));
}

void ComparisonRun::check_ranks() const {
  if (ranks_.size() == 1) return;
  Manifest own = manifest();
  if (test_model_) {
    Manifest other;
    record_model(other, std::string(configuration_.values().text("test_model")), *test_model_);
    own.options.push_back({"hash of test_model", other.model_hash, "text"});
  }
  check_comparable(ranks_, own, comparison_.texts);
}

void ComparisonRun::run() {
  check_ranks();
  continue_prompts();
  share_texts();
  compare_all();
  measure_layers();
  measure_floors();
  if (!ranks_.is_root()) return;
  Manifest record = manifest();
  if (configuration_.values().text("text").empty()) record.prompts = comparison_.texts;
  comparison_.manifest = record.to_json();
}

std::string ComparisonRun::continuations(int width) const {
  std::string text;
  for (size_t p = 0; p < std::min(continued_.size(), kShown); ++p) {
    std::vector<std::string> names;
    std::vector<Continuation> all;
    for (size_t i = 0; i < instances_.size(); ++i) {
      names.push_back(instances_[i].name);
      all.push_back(continuations_[i][p]);
    }
    text += side_by_side(continued_[p], names, all, evaluation_.tokenizer(), width) + "\n";
  }
  return text;
}

}  // namespace gpt2run
