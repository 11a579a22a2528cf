// StepRunner: runs a step, from its rows to the chosen tokens. It calls the session's forward pass, each sampler chain
// on its rows of logits, and the scoring. On a device it can have the session record a step as a graph and replay it.
// For a chain in host memory behind a device it copies logits and tokens.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "gpt2run/engine/request.hpp"

namespace gpt2run {

// Consecutive rows of logits that go through one chain.
struct ChainRows {
  const Chain* chain;
  uint64_t id;  // of the chain, unique in the process
  int rows;
};

// A step to run. Sampled rows come first among the rows with logits, grouped by chain.
struct StepPlan {
  std::span<const Row> rows;
  std::span<const ChainRows> chains;
  bool scored, wants_logits;
};

class StepRunner {
 public:
  // wants: the most that a request may want. With kTimes the session fills in times for this object.
  StepRunner(Session& session, uint32_t wants);
  StepRunner(const StepRunner&) = delete;

  const LogitBatch& layout() const { return layout_; }

  // True if the chain's samplers are in host memory and the session is not.
  bool is_behind_device(const Chain& chain) const { return chain.space != layout_.space; }

  // Throws Error for an empty chain, and for one whose memory space does not fit the session's. Any thread.
  void check(const Chain& chain) const;

  // Prepares a sampler of a chain that check() has accepted. space: the chain's.
  void prepare(Sampler& sampler, Space space);

  // Session::start. tokens: what the slot will hold; chains behind a device see these as the history.
  void start(int slot, const Start& start, std::span<const int32_t> tokens);

  // Writes a whole prompt to the slot's row of the token table, so that score() has targets before they are fed.
  void write_prompt(int slot, std::span<const int32_t> tokens);

  // Writes the log-probability of the token at [slot][position].
  void write_logprob(int slot, int position, float logprob);

  void step(const StepPlan& plan);

  // True if the plan may be replayed: all its rows are sampled, every chain is in the session's memory space, and no
  // logits or times are wanted.
  bool can_replay(const StepPlan& plan) const;
  void run_replays(const StepPlan& plan, int times);

  // The results at [slot][position, position + count): the chosen tokens and their log-probabilities. Either pointer
  // may be null. The tokens of a chain behind a device are in host memory already. read() reads all pieces with one
  // wait.
  struct ResultPiece {
    int slot, position, count;
    int32_t* tokens;
    float* logprobs;
    bool behind_device;
  };
  void read(std::span<const ResultPiece> pieces);

  // (vocab) raw logits of the i-th row of logits in the last step, in host memory. Null unless the plan wanted logits.
  const float* logits(int row) const { return raw_ ? raw_ + row * layout_.stride : nullptr; }
  // The same for a single row, whatever the plan wanted. Copies the row, which is valid until the next call.
  const float* read_logits(int row);

  // The name of the first sampler of a chain that leaves every logit of that row at -inf. Empty if that cannot be told:
  // the samplers have no names, are not in host memory, or do not do it again. Runs those before the last on the row
  // once more, so it is for a request that ends.
  std::string who_left_none(const Chain& chain, int row);

  const StepTimes* times() const { return timed_ ? &times_ : nullptr; }

 private:
  LogitBatch run_step(const StepPlan& plan);
  void sample_behind_device(const Chain& chain, const LogitBatch& part, bool scored);
  void make_copies();
  uint64_t graph_key(const StepPlan& plan);

  Session& session_;
  LogitBatch layout_;
  LogitBatch copies_{};  // the layout of host copies, for chains behind a device
  LogitBatch last_{};    // the batch of the last step
  bool timed_;
  StepTimes times_{};
  const float* raw_ = nullptr;
  std::vector<float> host_logits_, host_copy_of_raw_, host_raw_, one_row_;
  std::vector<RowKey> host_keys_;
  std::vector<int32_t> host_tokens_;  // (S, context + 1): the history, for chains behind a device
  std::vector<Transfer> transfers_;

  // The keys of recorded steps by what the steps do: number of rows, whether they are scored, and the chains with their
  // rows. The least recently used key is dropped, as the session drops its graph.
  struct Key {
    uint64_t key, used;
  };
  static constexpr size_t kMostKeys = 64;
  std::map<std::vector<uint64_t>, Key> keys_;
  uint64_t uses_ = 0;
};

}  // namespace gpt2run
