// The protocol between ranks. An order is one letter and a text. A rank above 0 sends kFailed with its error if it
// fails. Its last order is kDone, once rank 0 has taken everything it has sent. Rank 0 ends the run with kGo when all
// are done, or with kStop after an error.
#include "common/ranks/ranks.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "common/program/launch.hpp"

namespace gpt2run {
namespace {

using Channel = RankLink::Channel;
using Clock = std::chrono::steady_clock;

enum Order : char { kDone = 'd', kFailed = 'f', kGo = 'g', kStop = 's' };
constexpr char kMore = '+', kLast = '.';              // the first byte of a piece
constexpr size_t kPiece = size_t{1} << 28;            // bytes per message of gather() and share()
constexpr int kUnsent = 4;                            // messages that may wait in send()
constexpr auto kPatience = std::chrono::seconds(10);  // how long ranks have to stop after they were told to
// Shorter than the time that launchers leave between asking a rank to end and killing it.
constexpr auto kFirstAnswer = std::chrono::milliseconds(400);
constexpr auto kShortest = std::chrono::microseconds(50), kLongest = std::chrono::microseconds(3000);  // of a Pause

// Sleeps, each time twice as long as before up to a limit.
class Pause {
 public:
  void operator()() {
    std::this_thread::sleep_for(length_);
    length_ = std::min(2 * length_, kLongest);
  }

 private:
  std::chrono::microseconds length_ = kShortest;
};

}  // namespace

Ranks::Ranks() {
  const Launch launch = launched();
  if (launch.size != 1) rank_ = launch.rank;
}

Ranks::Ranks(std::unique_ptr<RankLink> link)
    : link_(std::move(link)), rank_(link_->rank()), size_(link_->size()), rank_done_(size_) {}

Ranks::~Ranks() {
  if (!ended_) give_up("this rank has ended early", [](const std::string&) {});
}

void Ranks::handle_order(int sender, const std::string& order) {
  switch (order[0]) {
    case kDone:
      rank_done_[sender] = true;
      return;
    case kGo:
      all_done_ = true;
      return;
    case kFailed:
      throw RankError(order.substr(1));
    default:
      ended_ = true;
      throw RankError("rank 0 has ended the run");
  }
}

void Ranks::handle_orders() {
  int sender = 0;
  std::string order;
  while (link_ && link_->receive(-1, Channel::orders, sender, order)) handle_order(sender, order);
}

void Ranks::check() {
  if (!ended_) handle_orders();
}

void Ranks::wait(const std::function<bool()>& ready) {
  for (Pause pause;; pause()) {
    check();
    if (ready()) return;
  }
}

void Ranks::send_pieces(int to, std::string_view bytes) {
  for (bool last = false; !last; bytes.remove_prefix(std::min(kPiece, bytes.size()))) {
    last = bytes.size() <= kPiece;
    link_->send(to, Channel::data, (last ? kLast : kMore) + std::string(bytes.substr(0, kPiece)));
  }
}

// Appends the pieces that have arrived. Returns whether the last one was among them.
bool Ranks::add_piece(int from, std::string& bytes) {
  int sender = 0;
  std::string piece;
  while (link_->receive(from, Channel::data, sender, piece)) {
    bytes.append(piece, 1);
    if (piece[0] == kLast) return true;
  }
  return false;
}

std::vector<std::string> Ranks::gather(std::string bytes, const std::function<void()>& idle) {
  std::vector<std::string> all(rank_ == 0 ? size_ : 0);
  std::vector<int> missing;
  if (rank_ > 0) {
    send_pieces(0, bytes);
  } else {
    for (int rank = 1; rank < size_; ++rank) missing.push_back(rank);
    all[0] = std::move(bytes);
  }
  if (size_ == 1) return all;
  wait([&] {
    if (idle) idle();
    std::erase_if(missing, [&](int rank) { return add_piece(rank, all[rank]); });
    return missing.empty() && link_->unsent() == 0;
  });
  return all;
}

std::string Ranks::share(std::string bytes) {
  if (size_ == 1) return bytes;
  bool have = rank_ == 0;
  for (int rank = 1; have && rank < size_; ++rank) send_pieces(rank, bytes);
  if (!have) bytes.clear();
  wait([&] {
    have = have || add_piece(0, bytes);
    return have && link_->unsent() == 0;
  });
  return bytes;
}

void Ranks::send(std::string bytes, const std::function<void()>& idle) {
  wait([&] {
    if (idle) idle();
    return link_->unsent() < kUnsent;
  });
  link_->send(0, Channel::data, std::move(bytes));
}

bool Ranks::receive(int from, int& sender, std::string& bytes) {
  check();
  return link_ && link_->receive(from, Channel::data, sender, bytes);
}

void Ranks::finish() {
  if (link_ && rank_ > 0) {
    wait([&] { return link_->unsent() == 0; });
    link_->send(0, Channel::orders, std::string(1, kDone));
    sent_done_ = true;
    wait([&] { return all_done_; });
  }
  if (link_ && rank_ == 0) {
    rank_done_[0] = true;
    wait([&] { return std::ranges::find(rank_done_, false) == rank_done_.end(); });
    for (int rank = 1; rank < size_; ++rank) link_->send(rank, Channel::orders, std::string(1, kGo));
  }
  if (link_) wait([&] { return link_->unsent() == 0; });
  leave();
}

void Ranks::leave() {
  ended_ = true;
  if (link_) link_->leave();
}

// At rank 0 after an error: discards messages, so that no rank waits in send(), until each has sent its last order.
// Returns false when the time is over first.
bool Ranks::await_done(std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  int sender = 0;
  std::string ignored, order;
  for (Pause pause; std::ranges::find(rank_done_, false) != rank_done_.end() || link_->unsent() > 0; pause()) {
    if (Clock::now() > end) return false;
    while (link_->receive(-1, Channel::data, sender, ignored)) continue;
    while (link_->receive(-1, Channel::orders, sender, order)) rank_done_[sender] = order[0] == kDone;
  }
  return true;
}

// Such as "; no answer from rank 2, 5".
std::string Ranks::silent_ranks() const {
  std::string names;
  for (int rank = 0; rank < size_; ++rank)
    if (!rank_done_[rank]) names += (names.empty() ? "; no answer from rank " : ", ") + std::to_string(rank);
  return names;
}

void Ranks::stop_others() {
  for (int rank = 1; rank < size_; ++rank) link_->send(rank, Channel::orders, std::string(1, kStop));
  rank_done_[0] = true;
}

// give_up() of rank 0.
void Ranks::end_all(const std::string& line, const Print& print, bool interrupted) {
  stop_others();
  const bool all_left = interrupted && await_done(kFirstAnswer);
  print(line + (interrupted && !all_left ? silent_ranks() : ""));
  await_done(kPatience) ? leave() : link_->kill_all();
}

// give_up() of a rank above 0. ended: rank 0 has already ended the run. unreported: set to false once the error is on
// its way to rank 0, or need not be sent.
void Ranks::end_own(bool ended, const std::string& line, bool& unreported) {
  unreported = !ended && !sent_done_;
  const std::string name = "rank " + std::to_string(rank_) + " on " + link_->machine() + ": ";
  if (unreported) link_->send(0, Channel::orders, char(kFailed) + name + line);
  unreported = false;
  int sender = 0;
  std::string end;
  for (Pause pause; !ended && !link_->receive(0, Channel::orders, sender, end);) pause();
  for (Pause pause; link_->unsent() > 0;) pause();  // kDone promises that rank 0 has taken everything
  if (!sent_done_) link_->send(0, Channel::orders, std::string(1, kDone));
  for (Pause pause; link_->unsent() > 0;) pause();
  leave();
}

void Ranks::give_up(const std::string& line, const Print& print, bool interrupted) noexcept {
  bool unreported = true;
  const Print tell = [&](const std::string& text) { unreported = false, print(text); };
  try {
    const bool ended = std::exchange(ended_, ended_ || rank_ > 0 || !link_);
    if (!link_) return tell(line);
    if (rank_ > 0) return end_own(ended, line, unreported);
    return ended ? tell(line) : end_all(line, tell, interrupted);
  } catch (const std::exception&) {
    ended_ = true;  // the transport has failed, so the error is printed here
  }
  try {
    if (unreported) print(rank_ > 0 ? "rank " + std::to_string(rank_) + ": " + line : line);
  } catch (const std::exception&) {
    // The line cannot be printed anywhere.
  }
  if (link_) link_->kill_all();
}

void Ranks::watch_temp_files(const std::filesystem::path& folder) {
  if (temp_files_) temp_files_->watch(folder);
}

}  // namespace gpt2run
