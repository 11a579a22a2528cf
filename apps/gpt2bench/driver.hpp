// Timed generation: a session and a chain of samplers under the same engine that gpt2run uses. The prompts are fixed
// tokens that differ from sequence to sequence.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "common/config/config.hpp"
#include "gpt2run/engine/engine.hpp"

namespace gpt2run {

// The limits of a driver's session for `sequences` sequences of up to `context` positions, with prompts of up to
// `prompt` tokens that are prefilled in one step.
Limits driver_limits(int32_t sequences, int32_t context, int32_t prompt, int32_t threads, int32_t device);

// Owns the session and the samplers. Used by one thread at a time.
class Driver {
 public:
  // limits: as driver_limits() returns them. Throws Error; the calls below throw it too, also after an interrupt.
  Driver(Precision& precision, std::span<const BoundPlugin> samplers, const Checkpoint& checkpoint,
         const Limits& limits);

  const Traits& traits() const { return session_->traits(); }

  // first: the seconds until every sequence has its first new token. rest: those for all further tokens.
  struct Seconds {
    double first, rest;
  };

  // Generates 1 + more tokens in each of `sequences` sequences at the same time, after prompts of `prompt` tokens that
  // are all different.
  Seconds run(int32_t sequences, int32_t prompt, int32_t more);

  // The seconds for `more` tokens in each of `sequences` sequences, after a prompt of `prompt` tokens that they share
  // and a first token, which are not timed. replays: whether steps are recorded and replayed where the session can do
  // so; otherwise every step is launched and waited for by itself.
  double continue_prompt(int32_t sequences, int32_t prompt, int32_t more, bool replays);

 private:
  struct Counter final : Listener {
    int64_t with_token = 0, finished = 0;
    void token(RequestId, const TokenEvent& event) override { with_token += event.step == 0; }
    void finish(RequestId, Reason, std::string_view, std::string_view error) override;
  };

  Request request_of(uint64_t sequence, int32_t prompt, int32_t more, uint64_t group) const;
  bool take_session(Engine& engine);
  Seconds time(Engine& engine, int64_t sequences);

  ModelConfig config_;
  std::vector<std::unique_ptr<Sampler>> samplers_;
  std::shared_ptr<Chain> chain_;
  std::unique_ptr<Session> session_;
  Counter counter_;
  std::unique_ptr<Engine> replaying_, single_;  // with and without replay; they take turns with the session
  Engine* last_ = nullptr;                      // the one that used the session last
};

}  // namespace gpt2run
