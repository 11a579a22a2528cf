// A session with its chain of samplers, driven without a tokenizer by the calls of the generation loop: step, sample,
// repeat. The prompts are fixed tokens that differ from row to row.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "common/pipeline/compose.hpp"

namespace gpt2run {

class Driver {
 public:
  // Slots, context and rows of the limits are what the calls below ask for. Throws Error, as do the calls below, also
  // when the program is to end (host/interrupt.hpp).
  Driver(Precision& precision, std::span<const BoundPlugin> samplers, const Checkpoint& checkpoint,
         const Limits& limits);

  const Traits& traits() const { return session_->traits(); }

  // Seconds until the token after a prompt of `count` is known.
  double prefill(int slot, int32_t count);

  // The first `slots` slots become slot 0 as it was after its prompt of `count`, each with its next token.
  void branch(int slots, int32_t count);

  // Seconds for `count` further tokens in the first `slots` slots, through Session::repeat.
  double decode(int slots, int count);

  // The same without repeat: every token is launched and waited for by itself.
  double decode_singly(int slots, int count);

 private:
  void take_sampled(int slots);
  void step();
  void wait();

  std::vector<std::unique_ptr<Sampler>> samplers_;
  int64_t vocab_;
  std::unique_ptr<Session> session_;
  std::vector<Row> rows_;
  LogitBatch last_{};
};

}  // namespace gpt2run
