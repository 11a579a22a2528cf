// Ranks that are threads of this process: the protocol without MPI.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/ranks/ranks.hpp"

namespace gpt2run::test {

// Mailboxes of all ranks. A message is unsent until it is received; data are on their way for a while, orders are not.
struct Post {
  explicit Post(int size) : boxes(size), unsent(size) {}

  struct Message {
    int sender;
    RankLink::Channel channel;
    std::string bytes;
    std::chrono::steady_clock::time_point there;
  };
  std::mutex lock;
  std::condition_variable all_here;
  std::vector<std::deque<Message>> boxes;  // by receiver
  std::vector<int> unsent, most_unsent{std::vector<int>(boxes.size())};
  int left = 0;
  bool aborted = false;
};

class ThreadLink : public RankLink {
 public:
  ThreadLink(std::shared_ptr<Post> post, int rank) : post_(std::move(post)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(post_->boxes.size()); }
  int local_rank() const override { return rank_; }
  int local_size() const override { return size(); }
  std::string machine() const override { return "here"; }
  std::string name() const override { return "threads"; }

  void send(int to, Channel channel, std::string message) override {
    const std::lock_guard guard(post_->lock);
    const auto way = std::chrono::microseconds(channel == Channel::data ? 1000 : 0);
    post_->boxes[to].push_back({rank_, channel, std::move(message), std::chrono::steady_clock::now() + way});
    post_->most_unsent[rank_] = std::max(post_->most_unsent[rank_], ++post_->unsent[rank_]);
  }
  int unsent() override {
    const std::lock_guard guard(post_->lock);
    return post_->unsent[rank_];
  }
  bool receive(int from, Channel channel, int& sender, std::string& message) override {
    const std::lock_guard guard(post_->lock);
    auto& box = post_->boxes[rank_];
    for (auto one = box.begin(); one != box.end(); ++one) {
      if (one->channel != channel || (from >= 0 && one->sender != from)) continue;
      if (one->there > std::chrono::steady_clock::now()) continue;
      sender = one->sender, message = std::move(one->bytes);
      --post_->unsent[sender];
      box.erase(one);
      return true;
    }
    return false;
  }
  void leave() override {
    std::unique_lock guard(post_->lock);
    if (++post_->left == size()) post_->all_here.notify_all();
    post_->all_here.wait(guard, [&] { return post_->left >= size(); });
  }
  void kill_all() noexcept override { post_->aborted = true; }

 private:
  std::shared_ptr<Post> post_;
  int rank_;
};

struct Ended {
  std::vector<std::string> errors;  // by rank, "" for a rank that came to its end
  std::string told;                 // to the user, a line each
  std::vector<int> most_unsent;
  bool aborted;
  size_t left_over;  // messages that nobody has received
};

// Every rank does what a program's main() does.
inline Ended run_ranks(int size, const std::function<void(Ranks&)>& work) {
  const auto post = std::make_shared<Post>(size);
  Ended ended{std::vector<std::string>(size), "", {}, false, 0};
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        Ranks ranks(std::make_unique<ThreadLink>(post, rank));
        try {
          work(ranks);
          ranks.finish();
        } catch (const std::exception& error) {
          ended.errors[rank] = error.what();
          ranks.give_up(error.what(), [&](const std::string& line) { ended.told += line + "\n"; });
        }
      });
  }
  ended.most_unsent = post->most_unsent, ended.aborted = post->aborted;
  for (const auto& box : post->boxes) ended.left_over += box.size();
  return ended;
}

}  // namespace gpt2run::test
