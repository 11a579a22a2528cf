// RequestQueue: the requests that wait for a slot, by descending priority and then in the order of submit().
#pragma once
#include <map>
#include <utility>
#include <vector>

#include "gpt2run/engine/request.hpp"

namespace gpt2run {

struct Waiting {
  RequestId id;
  Request request;
  uint64_t chain_id;  // the engine's id of the request's chain
};

class RequestQueue {
 public:
  // The limits of EngineOptions; 0 is no limit.
  RequestQueue(int64_t most, int64_t most_tokens) : most_(most), most_tokens_(most_tokens) {}

  // Throws QueueFull if there is no room for a request with this many prompt tokens.
  void check_room(int64_t tokens) const;

  void push(Waiting waiting);

  // Removes the first request for which accept is true, and moves it to out. Returns false if there is none.
  template <class Accept>
  bool pop(Waiting& out, const Accept& accept) {
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
      if (!accept(at->second)) continue;
      out = std::move(waiting_.extract(at).mapped());
      tokens_ -= std::ssize(out.request.tokens);
      return true;
    }
    return false;
  }

  // Removes all requests for which accept is true, and returns them in order.
  template <class Accept>
  std::vector<Waiting> take(const Accept& accept) {
    std::vector<Waiting> taken;
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      const auto one = at++;
      if (!accept(one->second)) continue;
      tokens_ -= std::ssize(one->second.request.tokens);
      taken.push_back(std::move(waiting_.extract(one).mapped()));
    }
    return taken;
  }

  void clear() { waiting_.clear(), tokens_ = 0; }
  size_t size() const { return waiting_.size(); }

 private:
  int64_t most_, most_tokens_, tokens_ = 0;
  std::map<std::pair<int64_t, RequestId>, Waiting> waiting_;  // by descending priority, then by id
};

}  // namespace gpt2run
