// The transport between ranks. It is implemented over MPI in a library of its own (mpi.cpp), which is opened only when
// a launcher has started several processes, and over threads in the tests. Used by one thread at a time.
#pragma once
#include <string>

namespace gpt2run {

struct RankLink {
  // Messages of one channel arrive in the order in which a rank sent them. Orders about the end of the run have a
  // channel of their own, so that they never wait behind data.
  enum class Channel : int { data, orders };

  virtual ~RankLink() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Among the ranks on this machine.
  virtual int local_rank() const = 0;
  virtual int local_size() const = 0;
  virtual std::string machine() const = 0;  // the host name
  virtual std::string name() const = 0;     // of the implementation, such as "Open MPI v4.1.4"

  // Begins to send a message and returns at once.
  virtual void send(int to, Channel channel, std::string message) = 0;
  // The number of messages that the receivers have not begun to take.
  virtual int unsent() = 0;

  // Takes a message if one has arrived, and returns whether it has; it never waits. from: a rank, or negative for any.
  virtual bool receive(int from, Channel channel, int& sender, std::string& message) = 0;

  virtual void leave() = 0;              // waits for all ranks; nothing may be sent afterwards
  virtual void kill_all() noexcept = 0;  // kills all ranks
};

// The function that the library exports. The caller owns the result. Throws Error when the transport cannot be opened.
using OpenRankLink = RankLink* (*)();
constexpr char kOpenRankLink[] = "gpt2run_open_rank_link";

}  // namespace gpt2run
