// The sink of a rank that sends, and the one of rank 0 that merges.
#include "common/ranks/ranked_run.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "common/ranks/rank_events.hpp"
#include "gpt2run/engine/delivery.hpp"
#include "gpt2run/engine/words.hpp"

namespace gpt2run {
namespace {

using Progress = std::function<void(int64_t done, int64_t total)>;
using Clock = std::chrono::steady_clock;

// Events on their way to rank 0.
class Forward final : public Sink {
 public:
  Forward(Ranks& ranks, uint32_t wants) : ranks_(ranks), wants_(wants | kAnyOrder) {}

  uint32_t wants() const override { return wants_; }
  void start(uint64_t sequence, std::string_view, std::span<const int32_t>) override { events_.start(sequence); }
  void pass(const PassEvent& event) override { events_.pass(event); }
  void token(const TokenEvent& event) override {
    events_.token(event);
    if (events_.size() >= kMessage) flush();
  }
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason) override {
    events_.finish(sequence, tail, reason);
    if (events_.size() >= kMessage) flush();
  }

  // After a pass, so that rank 0 tells what is new.
  void flush() {
    ranks_.check();
    if (events_.size() > 0) ranks_.send(events_.take());
  }
  void close(const Summary& summary) {
    events_.summary(summary);
    flush();
  }

 private:
  static constexpr size_t kMessage = size_t{1} << 20;  // bytes; a token with its logits may be more

  Ranks& ranks_;
  uint32_t wants_;
  EventWriter events_;
};

void add_counts(Summary& to, const Summary& from) {
  to.sequences += from.sequences;
  to.prompt_tokens += from.prompt_tokens;
  to.new_tokens += from.new_tokens;
  to.steps += from.steps;
  to.rows += from.rows;
  to.replayed += from.replayed;
}

// Tokens that were told before their sequence's turn: of them sinks keep some memory.
class Ahead {
 public:
  uint64_t turn() const { return turn_; }  // the lowest unfinished sequence
  int64_t tokens() const { return tokens_; }

  void token(uint64_t sequence) { ++of_[sequence].tokens, ++tokens_; }

  void finish(uint64_t sequence) {
    of_[sequence].finished = true;
    for (auto first = of_.begin(); first != of_.end() && first->first == turn_ && first->second.finished; ++turn_) {
      tokens_ -= first->second.tokens;
      first = of_.erase(first);
    }
  }

 private:
  struct Sequence {
    int64_t tokens = 0;
    bool finished = false;
  };
  std::map<uint64_t, Sequence> of_;
  uint64_t turn_ = 0;
  int64_t tokens_ = 0;
};

// What this rank and all others tell.
class Merge final : public Sink, EventReceiver {
 public:
  Merge(Ranks& ranks, std::span<Sink* const> sinks, const Tokenizer* tokenizer, std::span<const Prompt> prompts,
        uint64_t samples, int64_t most_ahead)
      : ranks_(ranks),
        sinks_(sinks),
        words_(tokenizer),
        prompts_(prompts),
        samples_(samples),
        most_ahead_(most_ahead) {}

  uint32_t wants() const override { return sinks_.wants() | kAnyOrder; }
  void begin(std::string_view manifest) override { sinks_.begin(manifest); }
  void start(uint64_t sequence, std::string_view, std::span<const int32_t>) override { start(sequence); }
  void token(const TokenEvent& event) override;
  void pass(const PassEvent& event) override;
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason) override;

  // After a pass of this rank: takes what has come, and lets this rank get no more ahead than another one.
  void take_turns(const Progress& progress);

  // Waits for all, then tells the end. own: of this rank.
  Summary close(const Summary& own, const Progress& progress);

 private:
  void start(uint64_t sequence) override { sinks_.start(sequence, prompts_[sequence / samples_]); }
  void summary(const Summary& summary) override;
  bool take(int from);
  bool is_full() const { return ahead_.tokens() > most_ahead_; }
  int turn_owner() const { return ranks_.owner(ahead_.turn() / samples_); }
  void tell(const Progress& progress) const {
    if (progress) progress(done_, int64_t(prompts_.size() * samples_));
  }

  Ranks& ranks_;
  Delivery sinks_;
  TokenizerWords words_;
  std::span<const Prompt> prompts_;
  uint64_t samples_;
  int64_t most_ahead_;
  Ahead ahead_;
  int64_t done_ = 0, passes_ = 0;
  int closed_ = 0;  // ranks that have told all
  Summary others_;  // the sum of theirs
  Clock::time_point begin_ = Clock::now();
};

void Merge::token(const TokenEvent& event) {
  TokenEvent own = event;
  own.vocabulary = words_.or_null();  // some tokens are told after the sender's words are gone
  ahead_.token(event.sequence);
  sinks_.token(own);
}

// Numbered in the order in which they are told.
void Merge::pass(const PassEvent& event) {
  PassEvent own = event;
  own.pass = passes_++;
  sinks_.pass(own);
}

void Merge::finish(uint64_t sequence, std::string_view tail, std::string_view reason) {
  sinks_.finish(sequence, tail, reason);
  ahead_.finish(sequence);
  ++done_;
}

void Merge::summary(const Summary& summary) {
  ++closed_;
  add_counts(others_, summary);
}

// One message.
bool Merge::take(int from) {
  int sender = 0;
  std::string bytes;
  if (!ranks_.receive(from, sender, bytes)) return false;
  read_events(bytes, *this);
  return true;
}

// While too much waits for its turn, only the rank whose turn it is is heard: the others wait in send(). It comes to
// its end without them, so this cannot lock up.
void Merge::take_turns(const Progress& progress) {
  for (int taken = 0; taken < ranks_.size() && !is_full() && take(-1);) ++taken;
  while (is_full() && turn_owner() != ranks_.rank()) {
    ranks_.wait([&] {
      tell(progress);
      return take(turn_owner());
    });
  }
  tell(progress);
}

Summary Merge::close(const Summary& own, const Progress& progress) {
  while (closed_ + 1 < ranks_.size()) {
    ranks_.wait([&] {
      tell(progress);
      return take(is_full() ? turn_owner() : -1);
    });
  }
  Summary all = own;
  add_counts(all, others_);
  all.seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  sinks_.end(all.to_json());
  return all;
}

}  // namespace

void share_out(Generation& generation, Ranks& ranks, bool draws_seed) {
  generation.rank = ranks.rank(), generation.ranks = ranks.size();
  if (draws_seed) generation.seed = std::stoull(ranks.share(std::to_string(generation.seed)));
}

Summary generate_on(Ranks& ranks, const GenerateInto& run, std::span<Sink* const> sinks, const Tokenizer* tokenizer,
                    std::span<const Prompt> prompts, const Generation& generation, const Progress& progress,
                    int64_t most_ahead) {
  if (ranks.size() == 1) return run(sinks, progress);
  if (ranks.rank() > 0) {
    Forward forward(ranks, all_wants(sinks));
    Sink* own = &forward;
    const Summary summary = run({&own, 1}, [&](int64_t done, int64_t total) {
      forward.flush();
      if (progress) progress(done, total);
    });
    forward.close(summary);
    return summary;
  }
  Merge merge(ranks, sinks, tokenizer, prompts, static_cast<uint64_t>(generation.samples), most_ahead);
  Sink* own = &merge;
  const Summary summary = run({&own, 1}, [&](int64_t, int64_t) { merge.take_turns(progress); });
  return merge.close(summary, progress);
}

}  // namespace gpt2run
