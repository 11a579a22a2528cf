#include "gpt2serve/exchange.hpp"

#include <cstdio>

#include "gpt2run/sdk/escape.hpp"
#include "host/log.hpp"

namespace gpt2run {

Exchange::Exchange(uint64_t number, HttpRequest request, std::shared_ptr<Reply> reply, Metrics& metrics)
    : number_(number), request_(std::move(request)), reply_(std::move(reply)), metrics_(metrics) {}

void Exchange::log(int status) {
  metrics_.count_request(route_, status);
  const double seconds = std::chrono::duration<double>(Clock::now() - arrival_).count();
  char numbers[160];
  std::snprintf(numbers, sizeof numbers, " %d, %lld + %lld tokens, %.1f ms", status,
                static_cast<long long>(prompt_tokens_), static_cast<long long>(new_tokens_), seconds * 1e3);
  constexpr size_t kMostOfTarget = 100;
  std::string line(1, '#');
  line.append(std::to_string(number_)).append(" ").append(request_.client).append(" ");
  line.append(printable(request_.method, kMostOfTarget)).append(" ").append(printable(request_.target, kMostOfTarget));
  log_info(line.append(numbers).append(note_));
}

void Exchange::drop() {
  if (!is_answered_.exchange(true)) log(499);
}

void Exchange::answer(int status, std::string_view content_type, std::string body) {
  if (is_answered_.exchange(true)) return;
  log(status);
  reply_->send(status, content_type, std::move(body), headers_);
}

void Exchange::answer(const ApiError& error) {
  if (streams_) {
    frame(error_body(error));
    return end_stream();
  }
  if (error.status == 429) headers_.emplace_back("Retry-After", "1");
  if (error.status == 401) headers_.emplace_back("WWW-Authenticate", "Bearer");
  answer(error.status, "application/json", error_body(error));
}

void Exchange::begin_stream() {
  streams_ = true;
  reply_->begin("text/event-stream; charset=utf-8", headers_);
}

void Exchange::frame(const std::string& json) {
  if (!is_answered_) reply_->write(std::string("data: ").append(json).append("\n\n"));
}

void Exchange::end_stream() {
  if (is_answered_.exchange(true)) return;
  log(200);
  reply_->write("data: [DONE]\n\n");
  reply_->end();
}

}  // namespace gpt2run
