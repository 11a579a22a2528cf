// The steps of a comparison, in the order of run().
#include "gpt2compare/comparison_run.hpp"

#include <unistd.h>

#include <algorithm>

#include "common/config/create.hpp"
#include "common/config/record.hpp"
#include "common/evaluation/contracts.hpp"
#include "common/pipeline/explain.hpp"
#include "common/pipeline/loader_choice.hpp"
#include "common/pipeline/model_path.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/pipeline/verify.hpp"
#include "common/program/available_memory.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/progress.hpp"
#include "common/prompts/prompts.hpp"
#include "common/ranks/ranked_items.hpp"
#include "gpt2compare/islands.hpp"
#include "gpt2compare/side_by_side.hpp"
#include "gpt2run/evaluation/statistics.hpp"
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
  create_instances();
}

void ComparisonRun::open_test_model() {
  const std::string path = model_path(std::string(configuration_.values().text("test_model")));
  const ModelConfig& ours = evaluation_.checkpoint().config();
  context_ = ours.T;
  if (path.empty()) return;
  BoundPlugin loader = choose_loader(host_, configuration_, path);
  const BoundPlugin& bound = *evaluation_.plugins().front();
  if (loader.plugin == bound.plugin) loader.values = bound.values;
  verify_model(configuration_, loader, path);
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

// Every precision is created before the first one computes, so that options that do not go together are found at once.
void ComparisonRun::create_instances() {
  for (const Prompt& text : comparison_.texts)
    longest_ = std::max(longest_, std::ssize(text.tokens) + (appends_ ? integer("max_new_tokens") : 0));
  longest_ = std::min<int64_t>(longest_, context_ + 1);
  const std::span<const BoundPlugin> precisions = evaluation_.precisions();
  for (size_t i = 0; i < precisions.size(); ++i) {
    Instance instance = create_instance(precisions[i], checkpoint_of(i));
    if (i > 0 && test_model_) instance.name += " with " + std::string(configuration_.values().text("test_model"));
    for (const Instance& other : waiting_)
      if (other.name == instance.name) usage_error("--test: ", instance.name, " is given twice");
    names_.push_back(instance.name);
    (i == 0 ? instances_ : waiting_).push_back(std::move(instance));
  }
  if (configuration_.values().flag("islands") && waiting_.size() != 1)
    usage_error("--islands: expected one test, found ", waiting_.size());
  comparison_.reference = names_[0];
}

Limits ComparisonRun::limits_for(const Instance& instance) const {
  const int32_t threads = resources_.threads, device = resources_.device;
  const Limits limits = teacher_forcing_limits(static_cast<int32_t>(longest_), kChunk, threads, device);
  if (continued_.empty()) return limits;
  return wider(limits, continuation_limits(instance.checkpoint->config(), continued_, integer("max_new_tokens"),
                                           threads, device));
}

// How many of the waiting tests are opened next: those that fit into memory together, and at least one. Measuring a
// floor opens one more session of four slots, and room is left for it. What a GPU holds is not known here.
size_t ComparisonRun::next_group(std::span<const Instance> waiting) const {
  if (const int64_t open = integer("open")) return std::min<size_t>(waiting.size(), static_cast<size_t>(open));
  constexpr int kBesides = 2;
  const int64_t available = available_memory() / 8 * 7;
  int64_t taken = 0, most = 0;
  size_t count = 0;
  for (const Instance& instance : waiting) {
    const MemoryUse use =
        memory_of(instance.checkpoint->config(), limits_for(instance), is_tied(*instance.checkpoint), ElementBytes());
    if (instance.chosen->plugin->space == Space::host) taken += use.total(), most = std::max(most, use.total());
    if (count > 0 && taken + kBesides * most > available) break;
    ++count;
  }
  return count;
}

// Opens the next group of the waiting tests, the same at every rank.
void ComparisonRun::open_next(std::vector<Instance>& waiting) {
  std::string bytes;
  append_value(bytes, ranks_.is_root() ? next_group(waiting) : 0);
  bytes = ranks_.share(std::move(bytes));
  std::string_view left = bytes;
  const auto end = waiting.begin() + static_cast<std::ptrdiff_t>(read_value<size_t>(left));
  std::move(waiting.begin(), end, std::back_inserter(instances_));
  waiting.erase(waiting.begin(), end);
  for (Instance& instance : instances_)
    if (!instance.session) instance.session = instance.precision->open(*instance.checkpoint, limits_for(instance));
}

void ComparisonRun::close_tests() { instances_.erase(instances_.begin() + 1, instances_.end()); }

void ComparisonRun::continue_prompts() {
  if (continued_.empty() || !ranks_.is_root()) return;
  const Plugin& plugin = host_.get(Kind::sampler, "argmax");
  const auto argmax = create<Sampler>(BoundPlugin(plugin, {plugin.name, {}}, Layer::fallback, &host_));
  const auto check = [&] { end_if_asked(ranks_, " while prompts were continued"); };
  std::vector<std::vector<Continuation>> found =
      continue_greedily(instances_, *argmax, continued_, integer("max_new_tokens"), check);
  const bool first = continuations_.empty();
  std::move(found.begin() + (first ? 0 : 1), found.end(), std::back_inserter(continuations_));
  if (appends_ && first) log_info("short prompts: compared on their continuations by " + instances_[0].name + " too");
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

void ComparisonRun::cut_texts() {
  windows_ = windows_of(comparison_.texts, context_, integer("limit"));
  comparison_.targets = targets_of(windows_);
  if (comparison_.targets == 0) fail("expected a text of at least 2 tokens to compare on, found none");
}

// The metrics of the tests that are open, at rank 0 only.
std::vector<TokenMetrics> ComparisonRun::compare_open() {
  std::vector<TokenMetrics> found(instances_.size() - 1);
  for (size_t i = 0; i < found.size(); ++i) found[i].name = instances_[i + 1].name;
  if (ranks_.size() == 1) {
    compare_own(
        [&](size_t test, const TargetPosition& place, const RowDivergence& row) { found[test].add(place, row); });
    return found;
  }
  std::string own;
  compare_own([&](size_t, const TargetPosition&, const RowDivergence& row) { append_value(own, row); });
  std::vector<size_t> sizes;
  for (const Window& window : windows_)
    sizes.push_back((window.tokens.size() - 1) * found.size() * sizeof(RowDivergence));
  gather_items(ranks_, std::move(own), sizes, [&](size_t item, std::string_view bytes) {
    for (int32_t i = 1; !bytes.empty(); ++i)
      for (TokenMetrics& series : found) series.add(position_of(windows_[item], i), read_value<RowDivergence>(bytes));
  });
  return found;
}

void ComparisonRun::compare_tests() {
  std::vector<TokenMetrics> found = compare_open();
  comparison_.reference_bytes = step_bytes_of(host_, instances_[0]);
  for (size_t i = 0; i < found.size(); ++i) {
    TestResult& test = comparison_.tests.emplace_back();
    test.series = std::move(found[i]);
    test.step_bytes = step_bytes_of(host_, instances_[i + 1]);
  }
}

void ComparisonRun::measure_layers() {
  if (integer("layers") == 0 || !ranks_.is_root()) return;
  const bool asked = configuration_.layer("layers") != Layer::fallback;
  if (configuration_.values().flag("formats") && !asked) return;  // types of 8 and 4 bits have no threshold
  if (test_model_ && !asked) {
    const ModelConfig &ours = evaluation_.checkpoint().config(), &theirs = test_model_->config();
    if (ours.L != theirs.L || ours.C != theirs.C || ours.F != theirs.F)
      return log_info("the models have other shapes: what their operations write is not compared");
  }
  const auto check = [&] { end_if_asked(ranks_, " while operations were compared"); };
  Layers found =
      compare_layers(instances_, windows_, integer("layers"), configuration_.values().real("layer_threshold"), check);
  if (!comparison_.layers)
    comparison_.layers = std::move(found);
  else
    std::ranges::move(found.tests, std::back_inserter(comparison_.layers->tests));
}

// The mean divergence of the base from the reference with each of these parts in FP32, at rank 0 only.
std::vector<double> ComparisonRun::divergence_with(const BoundPlugin& base, std::span<const std::string> exact) {
  std::vector<BoundPlugin> bound;
  for (const std::string& part : exact) bound.push_back(with_exact(base, part));
  std::vector<Instance> waiting;
  for (const BoundPlugin& one : bound) waiting.push_back(create_instance(one, checkpoint_of(1)));
  std::vector<double> means;
  while (!waiting.empty()) {
    open_next(waiting);
    for (const TokenMetrics& series : compare_open()) means.push_back(mean_of(series[Metric::kl_ref_test]));
    close_tests();
  }
  return means;
}

void ComparisonRun::measure_islands() {
  if (!island_base_) return;
  if (test_model_ && ranks_.is_root())
    if (const Type stored = test_model_->tensor(Weight::qkv_w, 0).type; stored == Type::i8 || stored == Type::u4)
      log_warning("--islands: --test_model " + std::string(configuration_.values().text("test_model")) +
                  " is stored in " + name_of(stored) +
                  ": weights in FP32 are the rounded ones of its file, so that they restore nothing of that rounding");
  const std::string whole[] = {""};
  Islands& found = comparison_.islands.emplace();
  found.test = instance_name(*island_base_);
  found.kl = divergence_with(*island_base_, whole)[0];
  const auto add = [&](std::vector<Island> islands) {
    std::vector<std::string> parts;
    for (const Island& island : islands) parts.push_back(island.part);
    measure(islands, divergence_with(*island_base_, parts), found.kl);
    std::ranges::move(islands, std::back_inserter(found.parts));
  };
  add(islands_of(checkpoint_of(1).config().L));
  add(islands_in(ranks_.share(worst_layer(found.parts))));
  sort_by_effect(found.parts);
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

// Rank i mod size measures instance i of those that are open, and the reference only once. A test that is the same
// precision as the reference has the reference's floor.
void ComparisonRun::measure_floors() {
  if (configuration_.values().text("floor") == "off") return;
  const FloorPlan plan = floor_plan();
  const size_t first = comparison_.tests.size() - (instances_.size() - 1);
  std::vector<std::vector<FloorPart>> floors(instances_.size());
  for (size_t i = 0; i < instances_.size(); ++i)
    if (ranks_.owns(i) && (i == 0 ? first == 0 : instances_[i].name != instances_[0].name))
      floors[i] = floor_of(host_, instances_[i], windows_, plan);
  gather_floors(ranks_, floors);
  if (first == 0) reference_floor_ = floors[0];
  for (size_t i = 1; i < instances_.size(); ++i) {
    std::vector<FloorPart>& floor = comparison_.tests[first + i - 1].floor;
    floor = reference_floor_;
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
  if (configuration_.values().flag("islands")) options.push_back({"islands", "on", "bool"});
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
  for (bool first = true; first || !waiting_.empty(); first = false) {
    open_next(waiting_);
    if (configuration_.values().flag("islands")) island_base_ = island_base_of(host_, instances_[1]);
    continue_prompts();
    if (first) share_texts(), cut_texts();
    compare_tests();
    measure_layers();
    measure_floors();
    close_tests();
  }
  measure_islands();
  if (!ranks_.is_root()) return;
  Manifest record = manifest();
  if (configuration_.values().text("text").empty()) record.prompts = comparison_.texts;
  comparison_.manifest = record.to_json();
}

std::string ComparisonRun::continuations(int width) const {
  std::string text;
  for (size_t p = 0; p < std::min(continued_.size(), kShown); ++p) {
    std::vector<Continuation> all;
    for (const std::vector<Continuation>& own : continuations_) all.push_back(own[p]);
    text += side_by_side(continued_[p], names_, all, evaluation_.tokenizer(), width) + "\n";
  }
  return text;
}

}  // namespace gpt2run
