#include "request_queue.hpp"

namespace gpt2run {

void RequestQueue::check_room(int64_t tokens) const {
  const auto full = [](const auto&... parts) {
    std::ostringstream line;
    (line << ... << parts);
    throw QueueFull(line.str());
  };
  if (most_ > 0 && std::ssize(waiting_) >= most_)
    full("the queue is full: ", waiting_.size(), " requests wait, at most ", most_, " may");
  if (most_tokens_ > 0 && tokens_ + tokens > most_tokens_)
    full("the queue is full: prompts of ", tokens_, " tokens wait, at most ", most_tokens_, " may, this one has ",
         tokens);
}

void RequestQueue::push(Waiting waiting) {
  tokens_ += std::ssize(waiting.request.tokens);
  const std::pair key{-int64_t{waiting.request.priority}, waiting.id};
  waiting_.emplace(key, std::move(waiting));
}

}  // namespace gpt2run
