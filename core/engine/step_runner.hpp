// From the rows of a step to chosen tokens, wherever the session's memory is: the forward pass, each chain on its part
// of the rows, and scores. On a device the same body is recorded and replayed; behind a chain in host memory the logits
// are copied to it.
#pragma once
#include <map>
#include <vector>

#include "gpt2run/engine/request.hpp"

namespace gpt2run {

// Consecutive rows, among those that ask for logits, that go through one chain.
struct ChainRows {
  const Chain* chain;
  uint64_t id;  // of the chain, never used for another one by this process
  int rows;
};

// A step as it is run. Rows that are sampled come first among those that ask for logits, chain by chain.
struct StepPlan {
  std::span<const Row> rows;
  std::span<const ChainRows> chains;
  bool scored, wants_logits;
};

class StepRunner {
 public:
  // wants: the most that a request may want. Sets the session's times where kTimes is among them.
  StepRunner(Session& session, uint32_t wants);
  ~StepRunner();
  StepRunner(const StepRunner&) = delete;

  const LogitBatch& layout() const { return layout_; }

  // Whether the chain's samplers stand in host memory behind a device.
  bool is_behind_device(const Chain& chain) const { return chain.space != layout_.space; }

  // Throws Error for an empty chain, and for one whose memory cannot follow the session's. From any thread.
  void check(const Chain& chain) const;

  // Prepares a sampler of a chain that was checked. space: the chain's.
  void prepare(Sampler& sampler, Space space);

  // tokens: what the slot will hold, for chains behind a device; they see the text so far.
  void start(int slot, const Start& start, std::span<const int32_t> tokens);

  // Writes a prompt into the slot's row of the token table, so that scoring finds targets that are not fed yet.
  void put(int slot, std::span<const int32_t> tokens);

  // Writes the log-probability of the token at [slot][position].
  void put_logprob(int slot, int position, float logprob);

  void step(const StepPlan& plan);

  // True where the plan's rows may be replayed: all of them sampled, every chain in the session's memory, nobody looks.
  bool can_replay(const StepPlan& plan) const;
  void replay(const StepPlan& plan, int times);

  // What was chosen at [slot][position, position + count), and its log-probabilities: many pieces with one wait. out
  // pointers may be null. Tokens of a chain behind a device are here already.
  struct Chosen {
    int slot, position, count;
    int32_t* tokens;
    float* logprobs;
    bool behind_device;
  };
  void read(std::span<const Chosen> pieces);

  // (vocab) raw logits of the i-th row that asked for them in the last step, in host memory. Null unless the plan
  // wanted logits.
  const float* logits(int row) const { return raw_ ? raw_ + row * layout_.stride : nullptr; }
  // The same for one row, whatever the plan wanted; copies it. Valid until the next call.
  const float* read_logits(int row);

  const StepTimes* times() const { return timed_ ? &times_ : nullptr; }

 private:
  LogitBatch run_body(const StepPlan& plan);
  void sample_behind_device(const Chain& chain, const LogitBatch& part, bool scored);
  void make_copies();
  uint64_t graph_key(const StepPlan& plan);

  Session& session_;
  LogitBatch layout_;
  LogitBatch copies_{};  // the session's layout in host memory, for chains behind a device
  LogitBatch last_{};    // of the last step
  bool timed_;
  StepTimes times_{};
  const float* raw_ = nullptr;
  std::vector<float> host_logits_, host_copy_of_raw_, host_raw_, one_row_;
  std::vector<RowKey> host_keys_;
  std::vector<int32_t> host_tokens_;  // (S, context + 1): the text so far, for chains behind a device
  std::vector<Transfer> transfers_;

  // Keys of recorded bodies by what they do: number of rows, chains and their rows, scored. The one that was not used
  // for longest is forgotten, as the session forgets its graph.
  struct Key {
    uint64_t key, used;
  };
  static constexpr size_t kMostKeys = 64;
  std::map<std::vector<uint64_t>, Key> keys_;
  uint64_t uses_ = 0;
};

}  // namespace gpt2run
