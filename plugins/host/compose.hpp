// From options to a pipeline that is ready to run: which plugins, with which options, on which prompts. choose() opens
// plugin libraries and binds options; Composition makes the objects and owns them.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gpt2run/pipeline.hpp"
#include "host/config.hpp"
#include "host/plugin_host.hpp"
#include "host/ranks.hpp"

namespace gpt2run {

// The options of a program that runs the pipeline; help and documentation come from here.
std::span<const CoreOption> pipeline_options();

// Plugins with their options bound. Throws UsageError for a chain that cannot be, Error for a plugin that cannot run.
struct Choice {
  std::string model;  // path or name
  Chosen loader, precision;
  std::vector<Chosen> samplers;  // in their order; the last one selects
  std::vector<Chosen> sinks;

  std::vector<Chosen*> all();
  std::vector<const Chosen*> all() const;
  Space chain_space() const { return samplers.back().plugin->space; }
};

// Logs what was chosen for the user. Every name on the command line finds its option here, or is refused.
Choice choose(PluginHost& host, Configuration& configuration);

// Logs that --device was given, and none of the precisions uses one.
void warn_unused_device(const Configuration& configuration, std::span<const Chosen> precisions);

// The chain that --sampler names: one that does not select gets nucleus at its end, with top_k 0 and top_p 1 unless
// given; logged. logits: the memory where they are. Throws UsageError for a chain that cannot be.
std::vector<Chosen> choose_samplers(PluginHost& host, const Configuration& configuration, Space logits);

// Configuration::bind() with all plugins that there are; logs what it skips.
void bind_options(Configuration& configuration, PluginHost& host, std::span<Chosen* const> chosen);

// Options of the loop. `random` draws a seed, which is logged.
Generation generation_of(const Configuration& configuration);

// fp32, fp16, bf16: the type whose rounding contract a precision keeps, "" when its name and options do not tell.
std::string type_of(const Chosen& precision);

// The plugin's object. Base: as the plugin's kind says.
template <class Base>
std::unique_ptr<Base> create(const Chosen& chosen) {
  return std::unique_ptr<Base>(static_cast<Base*>(chosen.plugin->create(chosen.values, host_services())));
}

// Owns one pipeline. Members are made in this order and destroyed in reverse, also when one of them cannot be made; the
// plugin host outlives it. One thread at a time.
class Composition {
 public:
  // Makes everything but the session. ranks: that share the prompts out; null: one. Throws Error naming what could not
  // be made.
  Composition(PluginHost& host, const Configuration& configuration, Choice choice, Ranks* ranks = nullptr);

  const Choice& choice() const { return choice_; }
  const Generation& generation() const { return generation_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  const std::vector<Prompt>& prompts() const { return prompts_; }
  const std::vector<Sink*>& sinks() const { return sink_pointers_; }
  const Chain& chain() const { return chain_; }
  Limits limits() const;

  // A sink of the program's own hears of the run behind the chosen ones. Before limits() and open(); not owned.
  void add(Sink& sink) { sink_pointers_.push_back(&sink); }

  void open();  // the session: converts the weights, allocates all
  // After open():
  const Traits& traits() const { return session_->traits(); }
  Manifest manifest() const;
  // Of several ranks all call it: generate_on(). progress: of all sequences at rank 0, of its own elsewhere.
  Summary run(const std::string& manifest, const std::function<void(int64_t, int64_t)>& progress);

 private:
  void share_prompts(const Configuration& configuration);
  void compare_prompts(const Manifest& recorded) const;

  PluginHost& host_;
  Ranks* ranks_;
  Choice choice_;
  Generation generation_;
  std::vector<RecordedOption> options_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<Prompt> prompts_;
  std::unique_ptr<Precision> precision_;
  std::unique_ptr<Session> session_;
  std::vector<std::unique_ptr<Sampler>> samplers_;
  std::vector<std::unique_ptr<Sink>> sinks_;
  Chain chain_;
  std::vector<Sink*> sink_pointers_;
};

// Warnings about what a recorded run had and this one has not: another version, another file, another model.
std::vector<std::string> differences(const Manifest& recorded, const Manifest& now);

}  // namespace gpt2run
