// RankLink over MPI, the only file that uses it. It is built as a library of its own, which programs open when a
// launcher has started them, so that a single process never loads MPI.
#include <mpi.h>

#include <algorithm>
#include <climits>
#include <deque>
#include <list>
#include <utility>

#include "common/ranks/rank_link.hpp"
#include "gpt2run/error.hpp"

namespace gpt2run {
namespace {

// Turns the error code of an MPI call into an Error.
void check(int code) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail("MPI: ", std::string(text, static_cast<size_t>(length)));
}

class MpiLink final : public RankLink {
 public:
  MpiLink() {
    int threads = MPI_THREAD_SINGLE;  // there are worker threads, but only one thread calls MPI
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &threads));
    if (threads < MPI_THREAD_FUNNELED) fail("MPI: expected one that lets other threads run, found one that does not");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_));
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_));
    MPI_Comm machine;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &machine));
    check(MPI_Comm_rank(machine, &local_rank_));
    check(MPI_Comm_size(machine, &local_size_));
    check(MPI_Comm_free(&machine));
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }

  std::string machine() const override {
    char text[MPI_MAX_PROCESSOR_NAME];
    int length = 0;
    check(MPI_Get_processor_name(text, &length));
    return std::string(text, static_cast<size_t>(length));
  }

  std::string name() const override {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    check(MPI_Get_library_version(text, &length));
    const std::string all(text, static_cast<size_t>(length));
    std::string first = all.substr(0, all.find_first_of(",\n"));
    std::replace(first.begin(), first.end(), '\t', ' ');
    return first;
  }

  // A synchronous send, which is complete once the receiver has begun to take the message, so that messages do not pile
  // up there.
  void send(int to, Channel channel, std::string message) override {
    if (message.size() > INT_MAX) fail("a message of ", message.size(), " bytes, expected at most ", INT_MAX);
    Sent& sent = sent_.emplace_back(Sent{std::move(message), MPI_REQUEST_NULL});  // references into a deque stay valid
    check(MPI_Issend(sent.message.data(), static_cast<int>(sent.message.size()), MPI_BYTE, to,
                     static_cast<int>(channel), MPI_COMM_WORLD, &sent.request));
  }

  int unsent() override {
    int count = 0;
    for (Sent& sent : sent_) {
      int is_done = 0;
      check(MPI_Test(&sent.request, &is_done, MPI_STATUS_IGNORE));  // of a null request: done
      count += !is_done;
    }
    while (!sent_.empty() && sent_.front().request == MPI_REQUEST_NULL) sent_.pop_front();
    return count;
  }

  // Never blocks, because the sender may die in the middle of a message.
  bool receive(int from, Channel channel, int& sender, std::string& message) override {
    const auto is_meant = [&](const Taken& one) { return one.channel == channel && (from < 0 || one.sender == from); };
    auto taken = std::find_if(taken_.begin(), taken_.end(), is_meant);
    if (taken == taken_.end() && !begin_to_take(from, channel)) return false;
    if (taken == taken_.end()) taken = std::prev(taken_.end());
    int is_whole = 0;
    check(MPI_Test(&taken->request, &is_whole, MPI_STATUS_IGNORE));
    if (!is_whole) return false;
    sender = taken->sender, message = std::move(taken->message);
    taken_.erase(taken);
    return true;
  }

  void leave() override { check(MPI_Finalize()); }
  void kill_all() noexcept override { MPI_Abort(MPI_COMM_WORLD, 1); }

 private:
  struct Sent {
    std::string message;
    MPI_Request request;
  };

  // A message that is being received.
  struct Taken {
    int sender;
    Channel channel;
    std::string message;
    MPI_Request request;
  };

  // Starts to receive a message. Returns false when there is none.
  bool begin_to_take(int from, Channel channel) {
    int is_there = 0, count = 0;
    MPI_Message handle;
    MPI_Status status;
    check(MPI_Improbe(from < 0 ? MPI_ANY_SOURCE : from, static_cast<int>(channel), MPI_COMM_WORLD, &is_there, &handle,
                      &status));
    if (!is_there) return false;
    check(MPI_Get_count(&status, MPI_BYTE, &count));
    Taken& taken =
        taken_.emplace_back(Taken{status.MPI_SOURCE, channel, std::string(static_cast<size_t>(count), 0), {}});
    check(MPI_Imrecv(taken.message.data(), count, MPI_BYTE, &handle, &taken.request));
    return true;
  }

  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1;
  std::deque<Sent> sent_;  // oldest first
  std::list<Taken> taken_;
};

}  // namespace
}  // namespace gpt2run

extern "C" [[gnu::visibility("default")]] gpt2run::RankLink* gpt2run_open_rank_link() { return new gpt2run::MpiLink; }
