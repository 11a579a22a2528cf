// The pipeline of a run: creates the objects of the selected plugins in order, and owns them.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/pipeline/choice.hpp"
#include "common/pipeline/patches.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/ranks/ranks.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// One pipeline. Its objects are created in the order below and destroyed in reverse, also when one of them cannot be
// created. The plugin host outlives it. Used by one thread at a time.
class Composition {
 public:
  // Creates everything but the session. ranks: the processes that share the prompts, or null for a single one. Throws
  // Error naming what could not be created.
  Composition(PluginHost& host, const Configuration& configuration, Selection choice, Ranks* ranks = nullptr);

  const Selection& choice() const { return choice_; }
  const Generation& generation() const { return generation_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  const std::vector<Prompt>& prompts() const { return prompts_; }
  const std::vector<Sink*>& sinks() const { return sink_pointers_; }
  const Chain& chain() const { return chain_; }
  Limits limits() const;

  // The patches of --patch as they were given, in the order in which they are applied.
  const std::vector<std::string>& patch_texts() const { return patch_texts_; }

  // False if this run cannot have the order of sums of the recorded one that it repeats (take_recorded_order).
  bool has_recorded_order() const { return has_recorded_order_; }

  // Adds a sink of the program itself, which is called after the selected ones. It is not owned. Must be called before
  // limits() and open().
  void add(Sink& sink) { sink_pointers_.push_back(&sink); }

  // Opens the session, which converts the weights and allocates all memory. Throws Error.
  void open();

  // Only after open(), as the rest.
  const Traits& traits() const { return session_->traits(); }
  Manifest manifest() const;

  // Generates. With several ranks every rank must call it (see generate_on()). manifest: the JSON text that sinks get.
  // progress: called with the counts of all ranks at rank 0, elsewhere with this rank's own.
  Summary run(const std::string& manifest, const std::function<void(int64_t, int64_t)>& progress);

 private:
  void share_prompts(const Configuration& configuration);
  void compare_prompts(const Manifest& recorded) const;
  void bind_patches(const std::function<void()>& check);

  PluginHost& host_;
  Ranks* ranks_;
  Selection choice_;
  Generation generation_;
  bool has_recorded_order_ = true;
  std::vector<RecordedOption> options_;
  std::vector<RecordedFile> files_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<Prompt> prompts_;
  std::vector<std::string> patch_texts_;
  std::vector<Patch> patches_;
  std::vector<std::vector<BoundPatch>> bound_;  // by prompt; empty for those of other ranks
  std::unique_ptr<Precision> precision_;
  std::unique_ptr<Session> session_;
  std::vector<std::unique_ptr<Sampler>> samplers_;
  MadeFolders made_folders_;  // of the sinks' files
  std::vector<std::unique_ptr<Sink>> sinks_;
  Chain chain_;
  std::vector<Sink*> sink_pointers_;
};

// Warnings about how this run differs from a recorded one: in version, plugin files, model, or the precision's order of
// sums and contract. has_order: as Composition::has_recorded_order.
std::vector<std::string> differences(const Manifest& recorded, const Manifest& now, bool has_order);

}  // namespace gpt2run
