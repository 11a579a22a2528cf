// A test bench for a sampler: the memory of a session in any memory space, which is filled before every call and
// checked after it. Everything that the sampler must not touch or use has values that would expose it.
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

// The limits of a session for a rig.
inline constexpr Limits kRigLimits = {
    .slots = kSlots, .context = kContext, .rows = 8, .logit_rows = kRows, .threads = 1, .device = 0, .keep_raw = false};

// One row of a batch.
struct SamplerRow {
  RowKey key;                        // every row of a batch has a different slot
  std::vector<float> logits;         // (kVocab)
  const Options* options = nullptr;  // of the row's request; null for those that the sampler was created with
};

// What the sampler made of one row.
struct SamplerResult {
  int32_t token;              // at [slot][position] of the token table
  std::vector<float> logits;  // (kVocab)
};

// A sampler in the memory of a session.
class SamplerRig {
 public:
  // Creates the sampler, with default options unless `created` is given, and prepares it for the session. The session
  // outlives the rig, and several rigs may take turns with it.
  SamplerRig(const Plugin&, Session&, const Options* created = nullptr);

  // Prepares the sampler for another session, in which it works from then on.
  void move_to(Session&);

  // Samples one batch of 1 to kRows rows, each the first of a new request, whose slot is configured before. then:
  // called while work of the sampler may still be enqueued. Throws Error when the sampler has written anything but its
  // own: padding, keys, log-probabilities, tokens of others, logits if it selects, or tokens if it does not; and when a
  // selector has written neither a token nor kNone.
  std::vector<SamplerResult> sample(const std::vector<SamplerRow>& rows, uint64_t seed = 42,
                                    const std::function<void()>& then = {});

  // Calls Sampler::configure() with options that can be read only during the call.
  void configure(int32_t slot, const Options* options);

  // Waits for work that configure() has enqueued. Throws Error if it failed.
  void wait();

  Sampler& sampler() { return *sampler_; }

 private:
  // Waits for enqueued work before it deletes the sampler.
  struct Delete {
    Session* session;
    void operator()(Sampler*) const;
  };
  // A copy of the memory that the sampler sees. The last row ends after the vocabulary, and the last slot after the
  // context.
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
  std::deque<CallOptions> calls_;  // kept to notice a sampler that reads them late
};

}  // namespace gpt2run::conformance
