// EngineLoop: the implementation of Engine. It admits requests, builds the rows of each step, and handles the results.
// The public class only forwards to it.
#pragma once
#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "gpt2run/engine/request.hpp"
#include "gpt2run/engine/tokenizer_vocabulary.hpp"
#include "request_queue.hpp"
#include "step_runner.hpp"
#include "text_release.hpp"

namespace gpt2run {

// Stands for a log-probability that has not been computed.
inline constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

class EngineLoop {
 public:
  EngineLoop(Session& session, const ModelConfig& config, const Limits& limits, const EngineOptions& options,
             std::shared_ptr<const Chain> chain, const Tokenizer* tokenizer, Listener& listener);
  // Takes its tap out of the session, which may serve another engine.
  ~EngineLoop() {
    if (tapped_) session_.tap(nullptr);
  }
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  void check(const Request& request) const;
  RequestId submit(Request request);
  void cancel(RequestId id) {
    if (id < next_id_) cancelled_.insert(id);
  }
  bool step();
  void reset();
  bool tap(Tap* tap);
  std::span<const StepRow> rows() const { return step_rows_; }
  size_t waiting() const { return queue_.size(); }
  size_t running() const;
  const EngineCounts& counts() const { return counts_; }
  std::string_view why_not_replayed() const {
    if (tapped_) return "a tap is set";
    return gpt2run::why_not_replayed(runner_.layout().space, chain_->space, options_.wants, options_.recompute);
  }

 private:
  // A request that has a slot.
  struct Sequence {
    Sequence(Waiting&& waiting, std::shared_ptr<const Chain> own, int64_t total_length);

    RequestId id;
    Request request;
    std::shared_ptr<const Chain> chain;
    uint64_t chain_id;
    int fed = 0;                  // tokens that have gone through the network, those before `base` included
    int base = 0;                 // the token at the slot's first position; not 0 once the context has been shifted
    bool shifted = false;         // the context was shifted, and no token has been chosen since
    std::vector<int32_t> tokens;  // the prompt and the chosen tokens
    int64_t total;                // number of tokens at which the request ends
    TextRelease text, echo;

    int prompt() const { return static_cast<int>(request.tokens.size()); }
    int known() const { return static_cast<int>(tokens.size()); }
    bool is_first() const { return known() == prompt(); }  // no token has been chosen yet
    bool wants(uint32_t what) const { return request.wants & what; }
    // True if the rows of the prompt need logits, because values that come from logits are wanted for its tokens.
    bool wants_prompt_logits() const { return wants(kPrompt) && wants(kLogprob | kLogits); }
    // Positions of the prompt that are fed without choosing a token. The last token is fed when the first new one is
    // chosen; without new tokens it is fed only for end_logits.
    int prefix() const { return prompt() - 1 + (request.max_new == 0 && request.end_logits); }
    bool is_prefilled() const { return base > 0 || fed >= prefix(); }
    int positions() const { return fed - base; }  // that the slot holds
    // The tokens from the slot's first position on, and how many of them are the prompt's; 0 if that is cut.
    std::span<const int32_t> held() const { return std::span(tokens).subspan(base); }
    int held_prompt() const { return base > 0 ? 0 : prompt(); }
    int held_valid() const { return std::min(fed, known()) - base; }
  };

  // The tokens that a slot's keys and values belong to, kept after their request has ended so that others can share.
  struct CachedPrefix {
    std::vector<int32_t> tokens;  // the whole prompt and the chosen tokens
    int prompt = 0;               // number of tokens in the prompt
    int valid = 0;                // positions with keys and values
    uint64_t group = 0;           // of the request that computed them, as is wants
    uint32_t wants = 0;
    int64_t ended = 0;  // the place of its request in the order of ends, from 1; 0: the slot holds nothing
  };

  struct Slot {
    std::optional<Sequence> sequence;
    CachedPrefix cached;  // used while no request has the slot
  };

  // The purpose of a segment's rows.
  enum class Purpose : uint8_t {
    sample,     // the last row goes through the sampler chain
    prompt,     // reads a chunk of the prompt
    recompute,  // part of a full pass; the last part of the pass samples
  };

  // The consecutive rows of one slot in a step.
  struct Segment {
    int slot, count;
    Purpose purpose;
    bool samples() const { return purpose == Purpose::sample; }
  };

  // A prefix to take over: the first `keep` positions of `slot`.
  struct Source {
    int slot, keep;
  };

  struct KnownChain {
    std::shared_ptr<const Chain> chain;
    uint64_t id;
    int64_t requests;  // requests that use it
  };
  KnownChain& register_chain(const std::shared_ptr<const Chain>& chain);

  // Admission. newer: requests with this id or a greater one wait for the next step.
  void change_requests();
  void drop_ended(RequestId newer);
  void admit(RequestId newer);
  bool is_cancelled(const Sequence& sequence) const { return cancelled_.contains(sequence.id); }
  bool waits_for_prompt(const Request& request) const;
  int free_slot() const;
  Source find_prefix(const Request& request) const;
  int shared_prefix(const Slot& slot, const Request& request) const;
  void assign(int slot, const Source& source, Waiting&& waiting);
  bool configure(Sequence& sequence, int slot);
  void echo_shared(int slot, int from);

  void shift_full_contexts();

  // Building the rows of a step.
  int chunk() const { return std::max(options_.chunk, 1); }
  int choice_rows(const Sequence& sequence) const;
  int prompt_rows(const Sequence& sequence) const;
  std::vector<Segment> choosing_slots();
  void collect();
  void add_choice(const Segment& segment);
  void add_prompt_rows(int slot);
  StepPlan plan() const;
  int replays(const StepPlan& plan) const;

  // Handling the results of a step.
  void handle_results(int times);
  void read_results(int times);
  void advance_prompt(const Segment& segment, int logit_row, size_t result);
  void end_if_read(int slot);
  void consume(int slot, int count, int logit_row, size_t result);
  std::string why_no_token(const Chain& chain, int logit_row);
  bool accept(int slot, int32_t id, float logprob, int logit_row);
  void echo(Sequence& sequence, int position, float logprob, const float* logits);
  void finish(int slot, Reason reason, std::string_view error = {});
  void release(int slot);

  const ModelConfig& config_;
  Limits limits_;
  EngineOptions options_;
  Session& session_;
  std::shared_ptr<const Chain> chain_;
  const Tokenizer* tokenizer_;
  TokenizerVocabulary vocabulary_;
  Listener& listener_;
  bool joins_last_token_;  // a prompt's last token is fed in the same step as the rest of the prompt
  bool shares_;            // reuse is on, and the session's Traits allow it
  bool tapped_ = false, needs_reset_ = false;

  StepRunner runner_;
  RequestQueue queue_;
  std::vector<Slot> slots_;
  std::vector<int> admitted_;  // slots with a request, in the order of admission
  std::set<RequestId> cancelled_;
  RequestId next_id_ = 1;

  std::map<const Chain*, KnownChain> chains_;  // the engine's own, and those that requests use

  // State of the running step.
  std::vector<Row> rows_;
  std::vector<StepRow> step_rows_;
  std::vector<Segment> segments_;   // in the order of rows_
  std::vector<ChainRows> grouped_;  // the sampled rows, grouped by chain
  int sampled_ = 0;                 // number of rows that go through a chain
  int logit_rows_ = 0;              // number of rows that need logits
  int turn_ = 0;                    // the slot that may recompute first
  std::vector<int32_t> tokens_;     // chosen tokens of all segments
  std::vector<float> logprobs_;     // log-probabilities of all segments
  std::vector<StepRunner::ResultPiece> pieces_;

  EngineCounts counts_;
  int64_t ended_ = 0;  // requests that have left a slot
};

}  // namespace gpt2run
