// Creates the objects of a pipeline, checks and records them, and runs it.
#include "common/pipeline/compose.hpp"

#include <algorithm>
#include <chrono>

#include "common/config/create.hpp"
#include "common/config/record.hpp"
#include "common/pipeline/loader_choice.hpp"
#include "common/pipeline/named_objects.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/pipeline/recorded_order.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/pipeline/token_biases.hpp"
#include "common/pipeline/verify.hpp"
#include "common/program/temporaries.hpp"
#include "common/prompts/prompts.hpp"
#include "common/ranks/ranked_run.hpp"
#include "common/ranks/ranked_start.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

// The options that determine what a run computes. Those that only direct its output are left out.
std::vector<RecordedOption> recorded_options(const Configuration& configuration, const std::string& model,
                                             const Generation& generation) {
  std::vector<RecordedOption> options{{"model", absolute_path(model), "text"}};
  const OptionValues& values = configuration.values();
  const bool counts_new = generation.max_new >= 0;
  options.push_back({counts_new ? "max_new_tokens" : "n_gen",
                     std::to_string(counts_new ? generation.max_new : generation.n_gen), "int"});
  if (generation.context_shift != 0) options.push_back({"context_shift", values.shown("context_shift"), "int"});
  options.push_back({"seed", std::to_string(generation.seed), "int"});
  for (const char* key : {"samples", "batch", "threads", "device"}) options.push_back({key, values.shown(key), "int"});
  for (const char* key : {"recompute", "ignore_eos", "no_special", "truncate_prompt"})
    options.push_back({key, values.shown(key), "bool"});
  if (values.flag("verify")) options.push_back({"verify", "on", "bool"});
  for (const std::string& stop : generation.stops) options.push_back({"stop", stop, "text"});
  const std::string tokenizer(values.text("tokenizer"));
  if (!tokenizer.empty()) options.push_back({"tokenizer", absolute_path(tokenizer), "text"});
  for (const std::string& folder : configuration.list("plugin_dir"))
    options.push_back({"plugin_dir", absolute_path(folder), "text"});
  return options;
}

// The tokens of the longest sequence at its end.
int64_t longest_sequence(std::span<const Prompt> prompts, const Generation& generation) {
  if (generation.max_new < 0) return generation.n_gen;
  int64_t longest = 0;
  for (const Prompt& prompt : prompts) longest = std::max<int64_t>(longest, std::ssize(prompt.tokens));
  return longest + generation.max_new;
}

}  // namespace

Composition::Composition(PluginHost& host, const Configuration& configuration, Selection choice, Ranks* ranks)
    : host_(host), ranks_(ranks), choice_(std::move(choice)), generation_(generation_of(configuration)) {
  check_files(host_, configuration, choice_);
  for (const auto& folder : output_folders(configuration, choice_)) {
    note_output_folder(folder);
    if (!ranks_ || ranks_->is_root()) made_folders_.note(folder);
  }
  if (ranks_) share_prompts(configuration);
  generation_.precision = choice_.precision.plugin->name;
  options_ = recorded_options(configuration, choice_.model, generation_);
  files_ = verify_model(configuration, choice_.loader, choice_.model);
  loader_ = create<Loader>(choice_.loader);
  checkpoint_ = open_model(*loader_, choice_.loader, choice_.model);
  const int32_t context = checkpoint_->config().T;
  if (generation_.context_shift < 0) generation_.context_shift = context / 2;
  if (generation_.context_shift > 0 && generation_.context_shift >= context)
    usage_error(configuration.origin("context_shift"), ": expected a number of tokens below the model's context of ",
                context, ", found ", generation_.context_shift);
  tokenizer_ = open_tokenizer(configuration, *checkpoint_);
  if (!tokenizer_ && !generation_.stops.empty())
    fail(configuration.origin("stop"), ": the model has no tokenizer, so no text can be found; give --tokenizer PATH");
  prompts_ = prompts_of(configuration, tokenizer_.get(), checkpoint_->config(), generation_);
  if (configuration.recorded() && layer_of_prompts(configuration) == Layer::fallback)
    compare_prompts(*configuration.recorded());
  patch_texts_ = configuration.list("patch");
  patches_ = patches_of(configuration, tokenizer_.get(), checkpoint_->config(), prompts_,
                        longest_sequence(prompts_, generation_));
  for (size_t i = 0; i < patches_.size(); ++i)
    options_.push_back({"patch", recorded_patch(patch_texts_[i], patches_[i]), "text"});
  has_recorded_order_ = take_recorded_order(choice_.precision, configuration);
  precision_ = create<Precision>(choice_.precision);
  set_model_defaults(choice_.samplers, checkpoint_->config());
  set_token_biases(choice_.samplers, tokenizer_.get());
  for (const BoundPlugin& sampler : choice_.samplers) {
    samplers_.push_back(with_name(create<Sampler>(sampler), sampler.values.owner()));
    chain_.samplers.push_back(samplers_.back().get());
    chain_.names.append(chain_.names.empty() ? "" : ",").append(sampler.plugin->name);
    chain_.changes_logits |= !sampler.plugin->selects;
  }
  chain_.space = choice_.chain_space();
  for (const BoundPlugin& sink : choice_.sinks) {
    sinks_.push_back(with_name(create<Sink>(sink), sink.values.owner()));
    sink_pointers_.push_back(sinks_.back().get());
    if (ranks_) check_sink(*ranks_, *sinks_.back(), sink.plugin->name);
  }
}

void Composition::share_prompts(const Configuration& configuration) {
  set_rank_and_seed(generation_, *ranks_, configuration.values().text("seed") == "random");
  const Resources own = resources_of(configuration, *ranks_);
  generation_.threads = own.threads, generation_.device = own.device;
  share_standard_input(*ranks_, configuration);
  for (const auto& folder : output_folders(configuration, choice_)) ranks_->watch_temp_files(folder);
}

// A recorded prompt has tokens, which are used, and a text for readers. Warns when the two differ, since someone who
// edits only the text would otherwise not notice that it has no effect.
void Composition::compare_prompts(const Manifest& recorded) const {
  for (size_t i = 0; tokenizer_ && i < recorded.prompts.size(); ++i) {
    const Prompt& prompt = recorded.prompts[i];
    if (prompt.text.empty()) continue;
    // Compared as JSON, because bytes that are not UTF-8 are not recorded exactly.
    if (json_quoted(text_of(prompt.tokens, tokenizer_.get())) != json_quoted(prompt.text))
      log_warning("prompt " + std::to_string(i) + " of the recorded run: its tokens are used, which do not say " +
                  in_quotes(prompt.text));
  }
}

Limits Composition::limits() const {
  Limits limits = plan_limits(checkpoint_->config(), prompts_, generation_, sink_pointers_, chain_);
  for (const Prompt& prompt : prompts_)
    limits.context = std::max(limits.context, context_of(patches_, static_cast<int32_t>(prompt.tokens.size())));
  return limits;
}

void Composition::open() {
  const auto begin = std::chrono::steady_clock::now();
  const std::string owners = choice_.precision.values.owner() + " or " + choice_.loader.values.owner();
  const Limits most = limits();
  name_exceptions(owners, "given the model", [&] { session_ = precision_->open(*checkpoint_, most); });
  if (!session_)
    fail(choice_.precision.values.owner(), ": open() returned null: expected a session, or an Error thrown");
  generation_.open_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Binds the patches to the prompts of this rank. check: called before each step of a donor.
void Composition::bind_patches(const std::function<void()>& check) {
  if (!session_->tap(nullptr))
    fail("precision ", choice_.precision.plugin->name, ": it has no taps, so nothing can be patched");
  const Limits own = limits();
  PatchBinder binder(*session_, checkpoint_->config(), own, check);
  bound_.resize(prompts_.size());
  for (size_t i = generation_.rank; i < prompts_.size(); i += generation_.ranks)
    for (const Patch& patch : patches_) bound_[i].push_back(binder.bind(patch, prompts_[i].tokens));
}

Summary Composition::run(const std::string& manifest, const std::function<void(int64_t, int64_t)>& progress) {
  PatchTap tap(patches_, [this](uint64_t sequence) -> std::span<const BoundPatch> {
    return bound_[sequence / generation_.samples];
  });
  if (!patches_.empty())
    bind_patches([&] {
      if (ranks_) ranks_->check();
      if (progress) progress(0, std::ssize(prompts_) * generation_.samples);
    });
  const auto run_into = [&](std::span<Sink* const> sinks, const std::function<void(int64_t, int64_t)>& report) {
    return name_exceptions(choice_.precision.values.owner(), "computing", [&] {
      return generate(*session_, checkpoint_->config(), chain_, sinks, tokenizer_.get(), prompts_, generation_,
                      manifest, report, patches_.empty() ? nullptr : &tap);
    });
  };
  if (!ranks_) return run_into(sink_pointers_, progress);
  return generate_on(*ranks_, run_into, sink_pointers_, tokenizer_.get(), prompts_, generation_, progress);
}

Manifest Composition::manifest() const {
  Manifest manifest;
  record_program(manifest);
  manifest.options = options_;
  for (const RecordedOption& option : options_)
    if (!is_utf8(option.value))
      log_warning("a manifest of this run cannot repeat --" + option.key + ": expected UTF-8, found " +
                  in_quotes(option.value));
  manifest.plugins = {recorded(host_, choice_.loader), recorded(host_, choice_.precision)};
  for (const BoundPlugin& sampler : choice_.samplers) manifest.plugins.push_back(recorded(host_, sampler));
  for (const BoundPlugin& sink : choice_.sinks) manifest.plugins.push_back(recorded(host_, sink));
  manifest.prompts = prompts_;
  record_model(manifest, choice_.model, *checkpoint_);
  manifest.files = files_;
  manifest.traits = session_->traits();
  return manifest;
}

namespace {

// How the arithmetic of the precision differs, which both runs have.
void compare_traits(const Manifest& recorded, const Manifest& now, bool has_order, std::vector<std::string>& found) {
  const auto differ = [](const std::string& then, const std::string& here) {
    return !then.empty() && !here.empty() && then != here;
  };
  const std::string order = now.traits ? now.traits->order : "", contract = now.traits ? now.traits->contract : "";
  if (differ(recorded.order, order))
    found.push_back("the order of sums was " + recorded.order + " in the recorded run, now " + order +
                    ", so bits may " +
                    (has_order ? "differ" : "differ: no isa of the precision has it on this processor"));
  if (differ(recorded.contract, contract))
    found.push_back("the rounding contract was " + recorded.contract + " in the recorded run, now " + contract +
                    ", so results differ");
}

}  // namespace

std::vector<std::string> differences(const Manifest& recorded, const Manifest& now, bool has_order) {
  std::vector<std::string> found;
  const auto compare = [&](const std::string& what, const std::string& then, const std::string& here) {
    if (then != here) found.push_back(what + " was " + then + " in the recorded run, now " + here);
  };
  compare("gpt2run", recorded.program, now.program);
  compare("gpt2run's ABI", std::to_string(recorded.abi), std::to_string(now.abi));
  compare("gpt2run's standard library", recorded.tag, now.tag);
  compare("the model's hash", recorded.model_hash, now.model_hash);
  for (const RecordedPlugin& then : recorded.plugins) {
    const auto same = std::find_if(now.plugins.begin(), now.plugins.end(), [&](const RecordedPlugin& one) {
      return one.kind == then.kind && one.name == then.name;
    });
    const std::string what = then.kind + " " + then.name;
    if (same == now.plugins.end()) {
      found.push_back(what + " was in the recorded run and is not in this one");
      continue;
    }
    compare(what + ": space", then.space, same->space);
    compare(what + ": version", then.version, same->version);
    compare(what + ": hash of " + then.file, then.hash, same->hash);
    if (then.kind == name_of(Kind::precision)) compare_traits(recorded, now, has_order, found);
  }
  return found;
}

}  // namespace gpt2run
