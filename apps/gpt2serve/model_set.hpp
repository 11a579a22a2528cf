// ModelSet: the model in all its precisions, each with an engine, and the threads that run them.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "common/evaluation/evaluation.hpp"
#include "gpt2serve/engine_thread.hpp"
#include "gpt2serve/fields.hpp"
#include "gpt2serve/options.hpp"
#include "gpt2serve/work_thread.hpp"

namespace gpt2run {

// The most precisions that a server opens.
inline constexpr size_t kMostModels = 8;

class ModelSet {
 public:
  // Opens everything and starts the threads. The arguments outlive this object. Throws Error.
  ModelSet(PluginHost& host, Configuration& configuration, const ServeOptions& options, Metrics& metrics);
  ~ModelSet() { stop(); }

  // All of the following: any thread.
  const std::vector<std::unique_ptr<ModelEngine>>& engines() const { return engines_; }
  // The engine that a request's field names, by the precision as the user named it, or by its plugin's name; the first
  // if the name is empty. Throws ApiError.
  ModelEngine& find(const std::string& name, const std::string& field = "model") const;
  // The engine of `reference` with the contract of this one; null if there is none, and for `reference`
  // itself.
  ModelEngine* floor_of(const ModelEngine& engine) const;

  const Evaluation& evaluation() const { return evaluation_; }
  const ModelConfig& config() const { return evaluation_.checkpoint().config(); }
  // The token that stands in for an empty prompt; below 0 if the model has none.
  int32_t start_of_text() const { return config().start_of_text >= 0 ? config().start_of_text : config().end_of_text; }
  const Tokenizer* tokenizer() const { return evaluation_.tokenizer(); }
  const SamplerCatalog& samplers() const { return catalog_; }
  int32_t context() const { return context_; }          // of a slot
  int32_t most_prompt() const { return most_prompt_; }  // tokens of a prompt

  // The tokens of a text. Throws ApiError naming the field.
  std::vector<int32_t> encoded(const std::string& text, const std::string& field, bool special = true) const;
  // A field that is a text or a list of ids, as tokens. Throws ApiError, also for fewer or more tokens than allowed.
  std::vector<int32_t> input(const Fields& fields, const std::string& field, int32_t least, int32_t most) const;
  // A token as answers write it: its text, `bytes:\xe2\x80` if it is not UTF-8, and "" without a text.
  std::string piece(int32_t id) const;

  // The thread that computes and writes what would keep an engine from its next step.
  WorkThread& long_answers() const { return *long_answers_; }

  bool is_failed() const;  // an engine has thrown, also one of a floor
  int64_t live() const;    // requests that wait or run
  void cancel_all();       // also ends evaluations, which would go on with another request
  bool is_ending() const { return is_ending_; }
  void stop();  // ends the threads

 private:
  void open(PluginHost& host, const ServeOptions& options);
  void open_floors(PluginHost& host, const SessionPlan& plan);
  ServedModel& add_model(const std::string& id, const BoundPlugin& bound, const SessionPlan& plan);
  EngineThread& thread_of(Space space);

  Evaluation evaluation_;
  SamplerCatalog catalog_;
  std::atomic<bool> is_ending_ = false;
  int32_t context_ = 0, most_prompt_ = 0;
  std::vector<std::unique_ptr<ServedModel>> models_;
  std::vector<std::pair<Space, std::unique_ptr<EngineThread>>> threads_;
  std::vector<std::unique_ptr<ModelEngine>> engines_;  // of the user's precisions, in his order
  std::vector<std::unique_ptr<ModelEngine>> floors_;   // one for each contract
  std::unique_ptr<WorkThread> long_answers_ = std::make_unique<WorkThread>();
};

// Throws ApiError if there are more tokens than allowed.
void check_length(const std::string& field, size_t tokens, int64_t most);

}  // namespace gpt2run
