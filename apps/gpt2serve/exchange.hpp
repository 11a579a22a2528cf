// Exchange: one request and its answer. It writes JSON and error objects, counts the answer, and logs it.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "gpt2serve/access.hpp"
#include "gpt2serve/api_error.hpp"
#include "gpt2serve/http_server.hpp"
#include "gpt2serve/metrics.hpp"

namespace gpt2run {

// One thread at a time, but for the first answer: whoever gives it, later ones are ignored.
class Exchange {
 public:
  using Clock = std::chrono::steady_clock;

  // number: of the request, for its log line. headers: for the answer.
  Exchange(uint64_t number, HttpRequest request, std::shared_ptr<Reply> reply, Metrics& metrics);

  const HttpRequest& request() const { return request_; }
  uint64_t number() const { return number_; }
  Clock::time_point arrival() const { return arrival_; }

  // To be set before the answer and before on_gone(), or on the thread that calls drop(): what metrics and the log call
  // the route, further header fields, and the tokens for the log line. note: a text for the end of the log line.
  void set_route(std::string route) { route_ = std::move(route); }
  void add_headers(const HttpHeaders& headers) { headers_.insert(headers_.end(), headers.begin(), headers.end()); }
  void set_tokens(int64_t prompt, int64_t fresh) { prompt_tokens_ = prompt, new_tokens_ = fresh; }
  void add_note(const std::string& note) { note_.append(" ").append(note); }

  void answer(int status, std::string_view content_type, std::string body);
  void answer(std::string json) { answer(200, "application/json", std::move(json)); }
  // Also within a stream, where the error object becomes the last frame before the end.
  void answer(const ApiError& error);

  // A stream of server-sent events: begin_stream(), a frame() for each JSON document, and end_stream().
  void begin_stream();
  void frame(const std::string& json);
  void end_stream();

  void on_gone(std::function<void()> gone) { reply_->on_gone(std::move(gone)); }
  // Counts and logs a request whose client went before the answer was complete, with status 499, as nginx does.
  void drop();

 private:
  void log(int status);

  uint64_t number_;
  HttpRequest request_;
  std::shared_ptr<Reply> reply_;
  Metrics& metrics_;
  Clock::time_point arrival_ = Clock::now();
  std::string route_, note_;
  HttpHeaders headers_;
  int64_t prompt_tokens_ = 0, new_tokens_ = 0;
  bool streams_ = false;
  std::atomic<bool> is_answered_ = false;
};

}  // namespace gpt2run
