// A pipeline that is ready to run: the objects of the plugins that choose() has selected, made in order and owned here.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/pipeline/choice.hpp"
#include "common/ranks/ranks.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// Owns one pipeline. Members are made in this order and destroyed in reverse, also when one of them cannot be made; the
// plugin host outlives it. One thread at a time.
class Composition {
 public:
  // Makes everything but the session. ranks: that share the prompts out; null: one. Throws Error naming what could not
  // be made.
  Composition(PluginHost& host, const Configuration& configuration, Selection choice, Ranks* ranks = nullptr);

  const Selection& choice() const { return choice_; }
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
  Selection choice_;
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
