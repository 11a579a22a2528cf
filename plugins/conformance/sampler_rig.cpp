// Fills and checks the memory that a sampler sees.
#include "conformance/sampler_rig.hpp"

#include <algorithm>
#include <cstring>

namespace gpt2run::conformance {
namespace {

constexpr float kPadding = 1e30f;          // would be the most likely token
constexpr int32_t kUntouchedToken = -777;  // neither a token nor kNone
constexpr float kUntouchedLogprob = 123.0f;

// The token history of a sequence. It does not depend on the slot, so that a row keeps its history in another one.
int32_t history(uint64_t sequence, int position) {
  return static_cast<int32_t>((sequence * 7 + position * 5) % kVocab);
}

bool is_same_key(const RowKey& a, const RowKey& b) {
  return a.sequence == b.sequence && a.seed == b.seed && a.slot == b.slot && a.position == b.position &&
         a.prompt == b.prompt && a.shift == b.shift;
}

void wait_for(Session& session) {
  RowKey key;
  session.read(session.layout().keys, &key, sizeof key);
}

std::unique_ptr<Sampler> make_sampler(const Plugin& plugin, const Options* options) {
  return options ? create<Sampler>(plugin, *options) : create<Sampler>(plugin);
}

}  // namespace

SamplerRig::SamplerRig(const Plugin& plugin, Session& session, const Options* created)
    : selects_(plugin.selects),
      session_(&session),
      sampler_(make_sampler(plugin, created).release(), Delete{&session}) {
  move_to(session);
}

void SamplerRig::Delete::operator()(Sampler* sampler) const {
  try {
    wait_for(*session);
  } catch (const Error&) {  // the check has waited before and reported it
  }
  delete sampler;
}

void SamplerRig::wait() { wait_for(*session_); }

void SamplerRig::move_to(Session& session) {
  session_ = sampler_.get_deleter().session = &session, layout_ = session.layout();
  require(layout_.rows >= kRows && layout_.slots >= kSlots && layout_.vocab == kVocab,
          "the session that lends its memory has fewer rows or slots than it was asked for");
  sampler_->prepare(layout_);
}

std::vector<SamplerResult> SamplerRig::sample(const std::vector<SamplerRow>& rows, uint64_t seed,
                                              const std::function<void()>& then) {
  for (const SamplerRow& row : rows) configure(row.key.slot, row.options);
  const Memory before = filled(rows, seed);
  write(before);
  LogitBatch batch = layout_;
  batch.rows = static_cast<int32_t>(rows.size());
  sampler_->sample(batch);
  if (then) then();
  Memory after = before;
  read(after);
  check(rows, before, after);
  std::vector<SamplerResult> results;
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto from = after.logits.begin() + static_cast<std::ptrdiff_t>(r * layout_.stride);
    results.push_back({after.tokens[index_of(rows[r].key)], {from, from + kVocab}});
  }
  return results;
}

void SamplerRig::configure(int32_t slot, const Options* options) {
  if (!options) return sampler_->configure(slot, nullptr);
  CallOptions& call = calls_.emplace_back(*options);
  sampler_->configure(slot, &call);
  call.end();
}

SamplerRig::Memory SamplerRig::filled(const std::vector<SamplerRow>& rows, uint64_t seed) const {
  const size_t table = (layout_.slots - 1) * layout_.token_stride + kContext + 1;
  Memory memory;
  memory.logits.assign((layout_.rows - 1) * layout_.stride + kVocab, kPadding);
  memory.tokens.assign(table, kUntouchedToken);
  memory.logprobs.assign(table, kUntouchedLogprob);
  memory.keys.assign(layout_.rows, {1, 2, 3, 4, 5, 6});
  for (size_t r = 0; r < rows.size(); ++r) {
    RowKey& key = memory.keys[r] = rows[r].key;
    key.seed = seed;
    std::copy(rows[r].logits.begin(), rows[r].logits.end(), &memory.logits[r * layout_.stride]);
    for (int p = 0; p < key.position; ++p)
      memory.tokens[key.slot * layout_.token_stride + p] = history(key.sequence, p);
  }
  return memory;
}

void SamplerRig::write(const Memory& memory) {
  const auto piece = [](const auto& from, const auto* to) {
    return Transfer{from.data(), const_cast<void*>(static_cast<const void*>(to)), from.size() * sizeof *to};
  };
  const Transfer pieces[] = {piece(memory.logits, layout_.logits), piece(memory.tokens, layout_.tokens),
                             piece(memory.logprobs, layout_.logprobs), piece(memory.keys, layout_.keys)};
  session_->write(pieces);
}

void SamplerRig::read(Memory& memory) {
  const auto piece = [](const auto* from, auto& to) { return Transfer{from, to.data(), to.size() * sizeof *from}; };
  const Transfer pieces[] = {piece(layout_.logits, memory.logits), piece(layout_.tokens, memory.tokens),
                             piece(layout_.logprobs, memory.logprobs), piece(layout_.keys, memory.keys)};
  session_->read(pieces);
}

size_t SamplerRig::index_of(const RowKey& key) const {
  return static_cast<size_t>(key.slot) * layout_.token_stride + key.position;
}

void SamplerRig::check(const std::vector<SamplerRow>& rows, const Memory& before, const Memory& after) const {
  std::vector<int32_t> expected = before.tokens;
  for (const SamplerRow& row : rows) {
    if (!selects_) break;
    const int32_t token = after.tokens[index_of(row.key)];
    require((token >= 0 && token < kVocab) || token == kNone, "row of slot ", row.key.slot, ": wrote token ", token,
            ", expected 0 to ", kVocab - 1, " or kNone");
    expected[index_of(row.key)] = token;
  }
  require(after.tokens == expected,
          selects_ ? "it wrote tokens beside its own" : "it wrote tokens, and only changes logits");
  require(after.logprobs == before.logprobs, "it wrote logprobs");
  require(std::equal(after.keys.begin(), after.keys.end(), before.keys.begin(), is_same_key), "it wrote keys");
  for (size_t i = 0; i < after.logits.size(); ++i) {
    const bool is_own = i / layout_.stride < rows.size() && i % layout_.stride < kVocab;
    if (is_own && !selects_) continue;
    require(std::memcmp(&after.logits[i], &before.logits[i], sizeof(float)) == 0,
            is_own ? "it changed logits, and declares that it selects" : "it wrote behind the vocabulary or the rows");
  }
}

}  // namespace gpt2run::conformance
