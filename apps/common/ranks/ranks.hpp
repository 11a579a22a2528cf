// The processes that share one run: what `mpirun -n N` starts. Rank 0 collects, tells and writes; the others work and
// send. Without a launcher there is one rank, and nothing here costs anything. One thread at a time.
//
//   Ranks ranks;
//   try {
//     ranks.join();
//     work(ranks);     // gather(), share(), send(), receive()
//     ranks.finish();  // nobody has failed
//   } catch (const std::exception& error) {
//     ranks.give_up(error.what(), print);
//   }
//
// An error of any rank ends the run of all: give_up() sends its line to rank 0, where whatever waits throws it as
// RankError, and give_up() of rank 0 makes what waits in the others throw. All waiting is done here, and sleeps.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/program/interrupt.hpp"
#include "common/ranks/rank_link.hpp"
#include "common/ranks/temp_files.hpp"
#include "gpt2run/error.hpp"

namespace gpt2run {

// The error of another rank, with its name: "rank 2 on node7: ...".
struct RankError : Error {
  using Error::Error;
};

class Ranks {
 public:
  Ranks();  // by a launcher's variables, see launched()
  explicit Ranks(std::unique_ptr<RankLink> link);
  ~Ranks();  // gives up unless the end is known
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  // Where a launcher has started several processes. Throws Error when that cannot be: gpt2run was built without MPI, or
  // with another one than the launcher's.
  void join();

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return link_ ? link_->local_rank() : 0; }  // among the ranks of this machine
  int local_size() const { return link_ ? link_->local_size() : 1; }
  bool is_root() const { return rank_ == 0; }  // prints, logs and writes files; known before join()

  // Item i of what is shared out belongs to rank i mod size.
  int owner(uint64_t item) const { return static_cast<int>(item % static_cast<uint64_t>(size_)); }
  bool owns(uint64_t item) const { return owner(item) == rank_; }

  // Called by every rank, in the same order. gather: rank 0 gets the bytes of all, by rank; the others get nothing.
  // share: all get those of rank 0. idle: called every few milliseconds of waiting, may throw.
  std::vector<std::string> gather(std::string bytes, const std::function<void()>& idle = {});
  std::string share(std::string bytes);

  // A stream from a rank above 0 to rank 0, below 2 GiB a message. send() waits while rank 0 is more than a few
  // messages behind: what has not been received lies with its sender. receive(): false, none has come; from: negative
  // for any rank.
  void send(std::string bytes, const std::function<void()>& idle = {});
  bool receive(int from, int& sender, std::string& bytes);

  void check();                                   // throws when another rank has failed
  void wait(const std::function<bool()>& ready);  // checks; ready is asked every few milliseconds

  void finish();  // waits until all ranks are here

  // After an error. print: called where the error is to be shown, with the line and, if the run was interrupted, the
  // ranks that do not answer: they may be why. That is at rank 0, and at another one that cannot reach it, such as one
  // that could not join. Ranks that do not answer within ten seconds are killed.
  using Print = std::function<void(const std::string&)>;
  void give_up(const std::string& line, const Print& print, bool interrupted = false) noexcept;

  // Temporary files in this folder are removed at the end of this rank even if it is killed. Only where there are
  // several ranks, of which rank 0 writes.
  void watch_temp_files(const std::filesystem::path& folder);

 private:
  void take_orders();
  void take_order(int sender, const std::string& order);
  void send_pieces(int to, std::string_view bytes);
  bool add_piece(int from, std::string& bytes);
  void stop_others();
  void end_all(const std::string& line, const Print& print, bool interrupted);
  void end_own(bool ended, const std::string& line, bool& untold);
  bool await_last_words(std::chrono::milliseconds limit);
  std::string silent_ranks() const;
  void leave();

  std::unique_ptr<TempFiles> temp_files_;  // of rank 0, where there are others
  std::unique_ptr<RankLink> link_;         // null: one rank
  int rank_ = 0, size_ = 1;
  bool ended_ = false;           // no more messages
  bool last_said_ = false;       // above 0: rank 0 has been told that this one is done
  bool dismissed_ = false;       // above 0: all are done
  std::vector<bool> last_word_;  // at rank 0: of these ranks there will be no more orders
};

// What long work of several ranks calls between two steps: throws Error "interrupted" with the parts behind it after an
// interrupt, and as ranks.check() when another rank has failed.
template <class... Parts>
void end_if_asked(Ranks& ranks, const Parts&... how_far) {
  if (interrupted()) fail("interrupted", how_far...);
  ranks.check();
}

}  // namespace gpt2run
