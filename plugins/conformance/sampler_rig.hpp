// What surrounds a sampler: the memory of a session, in whatever space, filled anew for every call and checked after
// it. Everything that a sampler must leave alone is filled with values that would give it away.
#pragma once
#include <deque>
#include <functional>
#include <vector>

#include "conformance/call_options.hpp"
#include "conformance/checks.hpp"
#include "conformance/tiny_checkpoint.hpp"
#include "gpt2run/precision.hpp"

namespace gpt2run::conformance {

inline constexpr int kRows = 4, kSlots = 6, kVocab = kTiny.V, kContext = 8;

// Of a session that a rig may use.
inline constexpr Limits kRigLimits = {
    .slots = kSlots, .context = kContext, .rows = 8, .logit_rows = kRows, .threads = 1, .device = 0, .keep_raw = false};

struct SamplerRow {
  RowKey key;                        // no two rows of a batch have one slot
  std::vector<float> logits;         // (kVocab)
  const Options* options = nullptr;  // of the row's request; null: those that the sampler was created with
};

struct SamplerResult {
  int32_t token;              // what stands at [slot][position]
  std::vector<float> logits;  // (kVocab)
};

class SamplerRig {
 public:
  // Makes the sampler, with its defaults unless `created` is given, and prepares it for the session. The session
  // outlives the rig and may serve other rigs in turn.
  SamplerRig(const Plugin&, Session&, const Options* created = nullptr);

  // From here on the sampler works in another session.
  void move_to(Session&);

  // One batch of 1 to kRows rows, each the first of a new request: its slot is configured before. Throws Error when the
  // sampler touched what is not its own: padding, keys, other tokens, logprobs, for a selector the logits, for the
  // others the tokens; or a selector wrote neither a token nor kNone. then: called while the sampler's work may still
  // be enqueued.
  std::vector<SamplerResult> sample(const std::vector<SamplerRow>& rows, uint64_t seed = 42,
                                    const std::function<void()>& then = {});

  // Sampler::configure, with options that can be read during the call only.
  void configure(int32_t slot, const Options* options);

  // For what configure() has enqueued; throws Error for what went wrong in it.
  void wait();

  Sampler& sampler() { return *sampler_; }

 private:
  // Waits for what the sampler has enqueued before it goes.
  struct Delete {
    Session* session;
    void operator()(Sampler*) const;
  };
  // What a sampler is shown of the session's memory. The last row ends at its vocabulary, the last slot at its context.
  struct Memory {
    std::vector<float> logits;
    std::vector<int32_t> tokens;
    std::vector<float> logprobs;
    std::vector<RowKey> keys;
  };
  Memory filled(const std::vector<SamplerRow>& rows, uint64_t seed) const;
  void write(const Memory&);
  void read(Memory&);
  void check(const std::vector<SamplerRow>& rows, const Memory& before, const Memory& after) const;
  size_t index_of(const RowKey&) const;

  bool selects_;
  Session* session_;
  std::unique_ptr<Sampler, Delete> sampler_;
  LogitBatch layout_ = {};
  std::deque<CallOptions> calls_;  // kept, so that a sampler that reads them late is noticed
};

}  // namespace gpt2run::conformance
