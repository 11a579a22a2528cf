// RecordingListener: records what happens to each request, and checks the engine's promises to listeners.
#pragma once
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "gpt2run/engine/engine.hpp"

namespace gpt2run::test {

using Bits = std::vector<uint32_t>;  // of floats; compares NaN by its bits, and distinguishes -0 from 0

inline Bits bits_of(const float* values, int count) {
  Bits bits;
  for (int i = 0; i < count; ++i) bits.push_back(std::bit_cast<uint32_t>(values[i]));
  return bits;
}

// Everything that was reported of one request.
struct RequestLog {
  std::vector<int32_t> prompt, tokens;
  Bits prompt_logprobs, logprobs;
  std::vector<Bits> prompt_logits, logits;  // an entry is empty if the event had none
  std::string prompt_text, text;            // the tail included
  Bits end_logits;
  bool has_started = false;
  std::optional<Reason> reason;
  std::string error;

  std::string describe() const {
    std::ostringstream line;
    line << (reason ? name_of(*reason) : "not finished") << " after";
    for (const int32_t id : prompt) line << ' ' << id;
    line << " |";
    for (size_t i = 0; i < tokens.size(); ++i)
      line << ' ' << tokens[i] << " (" << std::bit_cast<float>(logprobs[i]) << ')';
    line << " \"" << text << "\" " << error;
    return line.str();
  }
};

template <class Value>
bool begins(const std::vector<Value>& whole, const std::vector<Value>& part) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

// The logits of a shared prefix are not computed again. They may be missing, but must not differ.
inline bool same_where_given(const std::vector<Bits>& found, const std::vector<Bits>& expected) {
  if (found.size() > expected.size()) return false;
  for (size_t i = 0; i < found.size(); ++i)
    if (!found[i].empty() && found[i] != expected[i]) return false;
  return true;
}

inline void expect_same(const RequestLog& found, const RequestLog& expected, const std::string& which = "") {
  const bool same = found.reason == expected.reason && found.error == expected.error &&
                    found.tokens == expected.tokens && found.logprobs == expected.logprobs &&
                    found.logits == expected.logits && found.text == expected.text && found.prompt == expected.prompt &&
                    found.prompt_logprobs == expected.prompt_logprobs && found.prompt_text == expected.prompt_text &&
                    same_where_given(found.prompt_logits, expected.prompt_logits) &&
                    found.end_logits == expected.end_logits;
  EXPECT_TRUE(same) << which << "\n found " << found.describe() << "\n alone " << expected.describe();
}

// Expects a cancelled request to have given what it gives alone, up to some token.
inline void expect_begins(const RequestLog& found, const RequestLog& expected, const std::string& which = "") {
  const bool same = begins(expected.tokens, found.tokens) && begins(expected.logprobs, found.logprobs) &&
                    begins(expected.logits, found.logits) && begins(expected.prompt, found.prompt) &&
                    begins(expected.prompt_logprobs, found.prompt_logprobs) &&
                    same_where_given(found.prompt_logits, expected.prompt_logits);
  EXPECT_TRUE(same) << which << "\n found " << found.describe() << "\n alone " << expected.describe();
  EXPECT_EQ(found.reason, Reason::cancelled) << which << found.describe();
  EXPECT_EQ(found.error, "") << which;
}

struct RecordingListener final : Listener {
  // Called after an event has been recorded.
  std::function<void(RequestId)> on_start, on_finish;
  std::function<void(RequestId, const TokenEvent&)> on_token;

  std::vector<RequestId> starts;     // ids in the order of start()
  std::vector<float> forward_times;  // milliseconds, of each step
  int64_t calls = 0;

  void expect(RequestId id, const Request& request) {
    EXPECT_FALSE(entries_.contains(id)) << "id " << id << " was given twice";
    entries_[id].request = request;
  }
  const RequestLog& of(RequestId id) const { return entries_.at(id).log; }
  bool has_finished(RequestId id) const { return of(id).reason.has_value(); }
  void forget() { entries_.clear(), starts.clear(); }

  void start(RequestId id) override {
    RequestLog& log = live(id, false);
    log.has_started = true, starts.push_back(id);
    if (on_start) on_start(id);
  }

  void token(RequestId id, const TokenEvent& event) override {
    RequestLog& log = live(id, true);
    const Request& request = entries_.at(id).request;
    const bool is_prompt = event.step < 0;
    const auto position =
        static_cast<int32_t>(is_prompt ? log.prompt.size() : request.tokens.size() + log.tokens.size());
    EXPECT_EQ(event.position, position) << id;
    if (!is_prompt) {
      EXPECT_EQ(event.step, std::ssize(log.tokens)) << id;
    }
    EXPECT_EQ(event.sequence, request.sequence) << id;
    EXPECT_TRUE(!is_prompt || request.wants & kPrompt) << id;
    if (request.wants & kLogprob && position > 0) {
      EXPECT_LE(event.logprob, 0.0f) << id << " at " << position;  // fails on NaN
    }
    EXPECT_TRUE(request.wants & kLogits || !event.logits) << id;
    (is_prompt ? log.prompt : log.tokens).push_back(event.id);
    (is_prompt ? log.prompt_logprobs : log.logprobs).push_back(std::bit_cast<uint32_t>(event.logprob));
    (is_prompt ? log.prompt_text : log.text) += event.text;
    if (request.wants & kLogits)
      (is_prompt ? log.prompt_logits : log.logits).push_back(bits_of(event.logits, event.logits ? event.vocab : 0));
    if (on_token) on_token(id, event);
  }

  void step(const StepEvent& event) override { forward_times.push_back(event.times.forward); }

  void end_logits(RequestId id, const float* logits) override {
    RequestLog& log = live(id, true);
    EXPECT_TRUE(log.end_logits.empty()) << id;
    log.end_logits = bits_of(logits, kVocabulary);
  }

  void finish(RequestId id, Reason reason, std::string_view tail, std::string_view error) override {
    RequestLog& log = live(id, std::nullopt);
    log.reason = reason, log.text += tail, log.error = error;
    EXPECT_EQ(error.empty(), reason != Reason::error) << id;
    if (on_finish) on_finish(id);
  }

 private:
  static constexpr int kVocabulary = 23;  // of engine_model()
  struct Entry {
    Request request;
    RequestLog log;
  };

  // The record of a request, which must not have finished.
  RequestLog& live(RequestId id, std::optional<bool> has_started) {
    ++calls;
    RequestLog& log = entries_.at(id).log;
    EXPECT_FALSE(log.reason) << "request " << id << " is reported after its end";
    if (has_started) {
      EXPECT_EQ(log.has_started, *has_started) << id;
    }
    return log;
  }

  std::map<RequestId, Entry> entries_;
};

}  // namespace gpt2run::test
