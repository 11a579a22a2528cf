// A session with its chain of samplers, driven by the engine that every run uses, with a clock around it. The prompts
// are fixed tokens that differ from sequence to sequence.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "common/config/config.hpp"
#include "gpt2run/engine/engine.hpp"

namespace gpt2run {

// What a driver's session must hold: so many sequences of up to `context` positions, prompts of up to `prompt` tokens
// read in one step.
Limits driver_limits(int32_t sequences, int32_t context, int32_t prompt, int32_t threads, int32_t device);

class Driver {
 public:
  // limits: as driver_limits() makes them. Throws Error, as do the calls below, also when the program is to end.
  Driver(Precision& precision, std::span<const BoundPlugin> samplers, const Checkpoint& checkpoint,
         const Limits& limits);

  const Traits& traits() const { return session_->traits(); }

  // A sequence's new tokens, and the seconds until they are known: `first` until every sequence has its first one,
  // `rest` for `more` further ones in each.
  struct Seconds {
    double first, rest;
  };

  // Sequences of their own prompts of `prompt` tokens, all at once.
  Seconds run(int32_t sequences, int32_t prompt, int32_t more);

  // Seconds for `more` further tokens in each of `sequences` sequences that share one prompt of `prompt` tokens,
  // which is read before, unmeasured. replays: by recorded steps
  // where the session can, else every token is launched and waited for by itself.
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
  std::unique_ptr<Engine> replaying_, single_;  // over the one session, in turn
  Engine* last_ = nullptr;                      // which of them knows what the slots hold
};

}  // namespace gpt2run
