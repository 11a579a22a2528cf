// Ranks: the processes that share one run, as `mpirun -n N` starts them. Rank 0 collects, logs and writes results; the
// others work and send theirs to it. Without a launcher there is a single rank, and this class costs nothing. Used by
// one thread at a time.
//
//   Ranks ranks;
//   try {
//     ranks.join();
//     work(ranks);     // gather(), share(), send(), receive()
//     ranks.finish();  // returns when all ranks have succeeded
//   } catch (const std::exception& error) {
//     ranks.give_up(error.what(), print);
//   }
// An error on any rank ends the run of all. give_up() on another rank sends the error to rank 0, where every call that
// waits throws it as RankError. give_up() on rank 0 makes the waiting calls of the others throw. Calls wait by
// sleeping, not by spinning.
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
  Ranks();  // rank by the launcher's environment variables, see launched(); join() does the rest
  explicit Ranks(std::unique_ptr<RankLink> link);
  ~Ranks();  // calls give_up() unless finish() or give_up() was called
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  // Connects to the other ranks if a launcher has started several processes. Throws Error when gpt2run was built
  // without MPI, or with another MPI than the launcher's.
  void join();

  int rank() const { return rank_; }
  int size() const { return size_; }
  // Among the ranks on this machine.
  int local_rank() const { return link_ ? link_->local_rank() : 0; }
  int local_size() const { return link_ ? link_->local_size() : 1; }
  // Whether this is rank 0, which prints, logs and writes files. Known before join().
  bool is_root() const { return rank_ == 0; }

  // Work is distributed round-robin: item i belongs to rank i mod size.
  int owner(uint64_t item) const { return static_cast<int>(item % static_cast<uint64_t>(size_)); }
  bool owns(uint64_t item) const { return owner(item) == rank_; }

  // Collective calls: every rank must make them, in the same order. gather() returns the bytes of every rank at rank 0,
  // indexed by rank, and nothing at the others. share() returns the bytes of rank 0 at every rank. idle: called every
  // few milliseconds while waiting; it may throw.
  std::vector<std::string> gather(std::string bytes, const std::function<void()>& idle = {});
  std::string share(std::string bytes);

  // Messages from the other ranks to rank 0, each below 2 GiB. send() waits while rank 0 is more than a few messages
  // behind, so messages queue up at their sender. receive() returns false when no message has arrived. from: a rank, or
  // negative for any.
  void send(std::string bytes, const std::function<void()>& idle = {});
  bool receive(int from, int& sender, std::string& bytes);

  // Throws RankError when another rank has failed.
  void check();
  // Waits until ready() returns true, asking every few milliseconds, and calls check() meanwhile.
  void wait(const std::function<bool()>& ready);

  // Ends the run: waits until every rank has called it.
  void finish();

  // Ends the run after an error. print: called with the line on the process that has to show it. That is rank 0, or a
  // rank that cannot reach rank 0, for example because it could not join. interrupted: whether the user interrupted the
  // run; the line then also names the ranks that do not answer, which may be why. Ranks that do not answer within ten
  // seconds are killed.
  using Print = std::function<void(const std::string&)>;
  void give_up(const std::string& line, const Print& print, bool interrupted = false) noexcept;

  // Has the temporary output files in this folder removed even if this process is killed. Does nothing unless this is
  // rank 0 of several.
  void watch_temp_files(const std::filesystem::path& folder);

 private:
  void handle_orders();
  void handle_order(int sender, const std::string& order);
  void send_pieces(int to, std::string_view bytes);
  bool add_piece(int from, std::string& bytes);
  void stop_others();
  void end_all(const std::string& line, const Print& print, bool interrupted);
  void end_own(bool ended, const std::string& line, bool& unreported);
  bool await_done(std::chrono::milliseconds limit);
  std::string silent_ranks() const;
  void leave();

  std::unique_ptr<TempFiles> temp_files_;  // at rank 0 of several ranks
  std::unique_ptr<RankLink> link_;         // null for a single rank
  int rank_ = 0, size_ = 1;
  bool ended_ = false;           // the run is over, no more messages follow
  bool sent_done_ = false;       // above rank 0: rank 0 has been told that this one is done
  bool all_done_ = false;        // above rank 0: rank 0 has said that all are done
  std::vector<bool> rank_done_;  // at rank 0, for each rank: it has sent its last order
};

// To be called between two steps of long work. Throws Error "interrupted", followed by the given parts, after an
// interrupt, and RankError when another rank has failed.
template <class... Parts>
void end_if_asked(Ranks& ranks, const Parts&... how_far) {
  if (interrupted()) fail("interrupted", how_far...);
  ranks.check();
}

}  // namespace gpt2run
