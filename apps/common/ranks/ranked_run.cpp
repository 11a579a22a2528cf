// Two sinks: one that forwards events to rank 0, and one that merges the events of all ranks there.
#include "common/ranks/ranked_run.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "common/ranks/rank_events.hpp"
#include "gpt2run/engine/delivery.hpp"
#include "gpt2run/engine/tokenizer_vocabulary.hpp"

namespace gpt2run {
namespace {

using Progress = std::function<void(int64_t done, int64_t total)>;
using Clock = std::chrono::steady_clock;

// The sink of the ranks above 0, which sends the events to rank 0.
class Forward final : public Sink {
 public:
  Forward(Ranks& ranks, uint32_t wants) : ranks_(ranks), wants_(wants | kAnyOrder) {}

  uint32_t wants() const override { return wants_; }
  void start(uint64_t sequence, std::string_view, std::span<const int32_t>) override { events_.start(sequence); }
  void step(const StepEvent& event) override { events_.step(event); }
  void token(const TokenEvent& event) override {
    events_.token(event);
    if (events_.size() >= kMessage) flush();
  }
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason) override {
    events_.finish(sequence, tail, reason);
    if (events_.size() >= kMessage) flush();
  }

  // Sends what has been collected. It is called after every step, so that rank 0 can stream new tokens.
  void flush() {
    ranks_.check();
    if (events_.size() > 0) ranks_.send(events_.take());
  }
  void close(const Summary& summary) {
    events_.summary(summary);
    flush();
  }

 private:
  static constexpr size_t kMessage = size_t{1} << 20;  // bytes; a token with its logits may exceed it

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
  to.cut += from.cut;
}

// Counts the tokens that have arrived before their sequence's turn. Delivery keeps those in memory.
class BufferedTokens {
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

// The sink of rank 0, which merges its own events with those of the other ranks.
class Merge final : public Sink, EventReceiver {
 public:
  Merge(Ranks& ranks, std::span<Sink* const> sinks, const Tokenizer* tokenizer, std::span<const Prompt> prompts,
        uint64_t samples, int64_t most_ahead)
      : ranks_(ranks),
        sinks_(sinks),
        vocabulary_(tokenizer),
        prompts_(prompts),
        samples_(samples),
        most_ahead_(most_ahead) {}

  uint32_t wants() const override { return sinks_.wants() | kAnyOrder; }
  void begin(std::string_view manifest) override { sinks_.begin(manifest); }
  void start(uint64_t sequence, std::string_view, std::span<const int32_t>) override { start(sequence); }
  void token(const TokenEvent& event) override;
  void step(const StepEvent& event) override;
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason) override;

  // Called after every step of this rank. Takes messages that have arrived, and holds this rank back when too many
  // tokens wait for their turn, as it does the others.
  void take_turns(const Progress& progress);

  // Waits for the summaries of all ranks, then ends the sinks. own: the summary of this rank.
  Summary close(const Summary& own, const Progress& progress);

 private:
  void start(uint64_t sequence) override { sinks_.start(sequence, prompts_[sequence / samples_]); }
  void summary(const Summary& summary) override;
  bool take(int from);
  bool is_full() const { return buffered_.tokens() > most_ahead_; }
  int turn_owner() const { return ranks_.owner(buffered_.turn() / samples_); }
  void send_progress(const Progress& progress) const {
    if (progress) progress(done_, int64_t(prompts_.size() * samples_));
  }

  Ranks& ranks_;
  Delivery sinks_;
  TokenizerVocabulary vocabulary_;
  std::span<const Prompt> prompts_;
  uint64_t samples_;
  int64_t most_ahead_;
  BufferedTokens buffered_;
  int64_t done_ = 0, steps_ = 0;
  int closed_ = 0;  // how many other ranks have sent their summary
  Summary others_;  // the sum of these
  Clock::time_point begin_ = Clock::now();
};

void Merge::token(const TokenEvent& event) {
  TokenEvent own = event;
  own.vocabulary = vocabulary_.pointer();  // a token may be delivered after the sender's vocabulary is gone
  buffered_.token(event.sequence);
  sinks_.token(own);
}

// Steps of all ranks are numbered in the order in which they arrive.
void Merge::step(const StepEvent& event) {
  StepEvent own = event;
  own.step = steps_++;
  sinks_.step(own);
}

void Merge::finish(uint64_t sequence, std::string_view tail, std::string_view reason) {
  sinks_.finish(sequence, tail, reason);
  buffered_.finish(sequence);
  ++done_;
}

void Merge::summary(const Summary& summary) {
  ++closed_;
  add_counts(others_, summary);
}

// Processes one message, if one has arrived.
bool Merge::take(int from) {
  int sender = 0;
  std::string bytes;
  if (!ranks_.receive(from, sender, bytes)) return false;
  read_events(bytes, *this);
  return true;
}

// While too many tokens wait for their turn, only messages of the rank whose turn it is are taken, and the other ranks
// wait in send(). This cannot deadlock, because that rank finishes its sequence without the others.
void Merge::take_turns(const Progress& progress) {
  for (int taken = 0; taken < ranks_.size() && !is_full() && take(-1);) ++taken;
  while (is_full() && turn_owner() != ranks_.rank()) {
    ranks_.wait([&] {
      send_progress(progress);
      return take(turn_owner());
    });
  }
  send_progress(progress);
}

Summary Merge::close(const Summary& own, const Progress& progress) {
  while (closed_ + 1 < ranks_.size()) {
    ranks_.wait([&] {
      send_progress(progress);
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

void set_rank_and_seed(Generation& generation, Ranks& ranks, bool draws_seed) {
  generation.rank = ranks.rank(), generation.ranks = ranks.size();
  if (draws_seed) generation.seed = std::stoull(ranks.share(std::to_string(generation.seed)));
}

void check_sink(const Ranks& ranks, const Sink& sink, const std::string& name) {
  if (ranks.size() > 1 && (sink.wants() & kTaps))
    fail("sink ", name, ": it sees inside the model, which works on one rank only, found ", ranks.size(),
         "; run it without mpirun");
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
