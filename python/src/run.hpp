// One run of an engine over the session of a model: texts to continue, or to score.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gpt2run/engine/engine.hpp"
#include "open_model.hpp"
#include "run_taps.hpp"
#include "sampler_chain.hpp"

namespace gpt2run::python {

struct RunOptions {
  int64_t max_new = 64;
  int32_t samples = 1;  // sequences for each prompt
  uint64_t seed = 42;
  int32_t context_shift = 0;  // tokens to keep, -1: half of the context
  bool ignore_eos = false;
  bool logprobs = false;  // of new tokens
  std::vector<std::string> stops;
};

// What came of one sequence.
struct Completion {
  std::vector<int32_t> tokens;  // the new ones
  std::vector<float> logprobs;  // natural logarithms, of the same length if they were asked for
  std::string text;             // bytes
  Reason reason = Reason::length;
};

// What one step of a run gave.
struct Progress {
  bool goes_on = false;  // false: all sequences have ended, or the run is closed
  std::string text;      // the bytes that were released, of all sequences
};

// Continues prompts. It has the model's session for itself until it is closed, which its end, an error and the
// destructor do. Any thread; advance() throws Error if another thread is in it.
class Run final : private Listener {
 public:
  // prompts: token ids, none of them empty. Sequence number = prompt x samples + sample, as in gpt2run. Throws Error
  // for a request that cannot run, before anything but the donors of patches is computed.
  Run(std::shared_ptr<OpenModel> model, bool is_stream, const std::vector<std::vector<int32_t>>& prompts,
      const RunOptions& options, const std::vector<ChainItem>& items, const std::vector<Setting>& settings,
      Inside inside, const Check& check);
  ~Run() { close(); }

  // One step of the engine, and then `check`; nothing in a run that is closed. Throws what a function of the chain or
  // `check` has thrown, and Error.
  Progress advance();

  // Lets the session go. If another thread is in advance(), that happens at its end.
  void close();

  const std::vector<Completion>& completions() const { return completions_; }  // by sequence

 private:
  bool run_engine();
  void let_go();
  void submit(const std::vector<std::vector<int32_t>>& prompts, const RunOptions& options);
  void token(RequestId id, const TokenEvent& event) override;
  void finish(RequestId id, Reason reason, std::string_view tail, std::string_view error) override;

  Check check_;
  std::shared_ptr<OpenModel> model_;
  std::optional<Use> use_;
  SamplerChain chain_;
  std::optional<RunTaps> taps_;
  bool has_logprobs_;
  std::map<RequestId, uint64_t> sequences_;
  std::vector<Completion> completions_;
  std::string fresh_, error_;
  int64_t cut_ = 0;  // sequences that ended with Reason::context
  std::atomic<bool> is_busy_ = false, is_closed_ = false;
  std::optional<Engine> engine_;
};

// What is computed of a text of T tokens.
struct Scores {
  std::vector<float> logits;    // (T, V) if wanted: row i is what follows ids[0..i]
  std::vector<float> logprobs;  // (T - 1) if wanted: of ids[i + 1] after ids[0..i]
};

// Feeds a text to the model. Throws Error for an empty text, one that is too long, and an id out of range.
Scores score(const std::shared_ptr<OpenModel>& model, const std::vector<int32_t>& ids, bool wants_logits,
             const Inside& inside, const Check& check);

// Feeds a text to the model, for what this tap sees of it. Throws Error as score() does.
void read(const std::shared_ptr<OpenModel>& model, const std::vector<int32_t>& ids, Inside inside, RowTap& tap,
          const Check& check);

}  // namespace gpt2run::python
