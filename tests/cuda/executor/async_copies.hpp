// AsyncCopies: the asynchronous copies of one thread of a kernel. A copy reads its source when it is started, and
// writes its destination only when the thread waits for its group, which is the latest moment that a device allows.
#pragma once
#include <array>
#include <cstddef>

namespace gpt2run::executor {

class AsyncCopies {
 public:
  static constexpr int kBytes = 16;

  // Each returns nullptr, or what is wrong.
  const char* start(void* to, const void* from);
  const char* wait(int left);

  void commit() { ++groups_; }
  void clear() { count_ = groups_ = 0; }
  bool in_flight() const { return count_ > 0; }

 private:
  static constexpr int kMost = 64;

  struct Copy {
    void* to;
    const void* from;
    int group;
    std::byte bytes[kBytes];
  };

  std::array<Copy, kMost> copies_;  // in the order in which they were started; the first count_ are in flight
  int count_ = 0, groups_ = 0;      // groups_: groups that have been closed
};

}  // namespace gpt2run::executor
