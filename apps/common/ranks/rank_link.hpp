// What carries bytes between ranks. Implemented over MPI in a library of its own (apps/ranks), which is opened only
// where a launcher has started several processes, and by threads in the tests. One thread at a time.
#pragma once
#include <string>

namespace gpt2run {

struct RankLink {
  // data: in order from each rank. orders: of the run's end, not held up by data.
  enum class Channel : int { data, orders };

  virtual ~RankLink() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int local_rank() const = 0;  // among the ranks of this machine, of which there are local_size
  virtual int local_size() const = 0;
  virtual std::string machine() const = 0;
  virtual std::string name() const = 0;  // of what carries: "Open MPI v4.1.4"

  // Takes the message and returns at once. It counts as unsent until the other side has begun to take it.
  virtual void send(int to, Channel channel, std::string message) = 0;
  virtual int unsent() = 0;

  // False: none has come. from: a rank, or negative for any of them.
  virtual bool receive(int from, Channel channel, int& sender, std::string& message) = 0;

  virtual void leave() = 0;              // waits for all ranks; nothing is sent afterwards
  virtual void kill_all() noexcept = 0;  // kills all ranks
};

// The one function that the library exports; the object is the caller's. Throws Error.
using OpenRankLink = RankLink* (*)();
constexpr char kOpenRankLink[] = "gpt2run_open_rank_link";

}  // namespace gpt2run
