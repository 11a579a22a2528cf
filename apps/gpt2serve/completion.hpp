// Completion: runs a CompletionRequest and writes its answer, whole or as a stream.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "gpt2serve/completion_request.hpp"
#include "gpt2serve/exchange.hpp"
#include "gpt2serve/token_lists.hpp"

namespace gpt2run {

// After run() everything happens on the thread of the request's engine, but for an answer as a whole, which is written
// on that of long answers once all choices have ended. The object lives as long as its requests run.
class Completion final : public std::enable_shared_from_this<Completion> {
 public:
  // command: the line of gpt2run that gives the same texts, or empty. log_text: whether the log gets the texts.
  Completion(CompletionRequest request, const ModelSet& models, std::shared_ptr<Exchange> exchange, std::string command,
             bool log_text);

  // Takes places in the queue and submits all choices. Throws ApiError before anything is answered.
  void run();

 private:
  using Clock = Exchange::Clock;

  // One choice.
  struct Choice final : RequestListener {
    void start(int64_t cached_tokens) override;
    void token(const TokenEvent& event) override;
    void finish(Reason reason, std::string_view tail, std::string_view error) override;

    Completion* completion = nullptr;
    int32_t index = 0, prompt = 0;
    RequestId id = 0;
    std::string text;                 // all of it, or in a stream what has not been sent
    std::string whole;                // for the log
    int64_t characters = 0;           // of the text until now
    std::vector<ScoredToken> tokens;  // as far as `text` goes
    int64_t new_tokens = 0, cached_tokens = 0;
    Clock::time_point started, first, last;
    bool is_done = false;
    Reason reason = Reason::length;
  };

  void submit_all();
  Request request_of(const Choice& choice) const;
  void begin_text(Choice& choice);
  void end(Choice& choice, const ApiError* error);
  void drop();
  void cancel_all();
  void send_frame(Choice& choice, bool is_last);
  void answer();

  void begin_document(JsonWriter& json) const;
  void end_document(JsonWriter& json) const;
  void write_choice(JsonWriter& json, const Choice& choice, bool is_last) const;
  void write_timings(JsonWriter& json, const Choice& choice) const;
  void write_usage(JsonWriter& json) const;
  int64_t prompt_tokens() const;
  int64_t new_tokens() const;

  const CompletionRequest request_;
  const ModelSet& models_;
  const std::shared_ptr<Exchange> exchange_;
  const std::string command_;
  const bool log_text_;
  const int64_t created_;
  std::vector<Choice> choices_;
  size_t left_;                      // choices that have not ended
  std::unique_ptr<ApiError> error_;  // the first one
  bool is_command_sent_ = false;
};

}  // namespace gpt2run
