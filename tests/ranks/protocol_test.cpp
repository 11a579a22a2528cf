// The protocol between ranks: what reaches whom, and how an error of one ends all.
#include <gmock/gmock.h>

#include "ranks/thread_ranks.hpp"

namespace gpt2run::test {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr char kStopped[] = "rank 0 has ended the run";

TEST(Ranks, WithoutALauncherThereIsOne) {
  Ranks ranks;
  ranks.join();
  EXPECT_EQ(ranks.size(), 1);
  EXPECT_TRUE(ranks.is_root());
  EXPECT_TRUE(ranks.owns(7));
  EXPECT_THAT(ranks.gather("mine"), ElementsAre("mine"));
  EXPECT_EQ(ranks.share("mine"), "mine");
  ranks.finish();
}

TEST(Ranks, GatherGivesRankZeroAllByRank) {
  std::vector<std::string> first, second;
  size_t elsewhere = 0;
  const Ended ended = run_ranks(4, [&](Ranks& ranks) {
    // Later ranks come first, and fast ones are at the second gathering while others are at the first.
    std::this_thread::sleep_for(std::chrono::milliseconds(5 * (4 - ranks.rank())));
    const auto a = ranks.gather(std::to_string(ranks.rank()) + "a");
    const auto b = ranks.gather(ranks.rank() == 2 ? "" : std::to_string(ranks.rank()) + "b");
    if (ranks.rank() == 0)
      first = a, second = b;
    else
      elsewhere = std::max(elsewhere, a.size() + b.size());
  });
  EXPECT_THAT(ended.errors, Each(""));
  EXPECT_THAT(first, ElementsAre("0a", "1a", "2a", "3a"));
  EXPECT_THAT(second, ElementsAre("0b", "1b", "", "3b"));
  EXPECT_EQ(elsewhere, 0u);
  EXPECT_EQ(ended.left_over, 0u);
}

TEST(Ranks, ShareGivesAllWhatRankZeroHas) {
  std::vector<std::string> got(3);
  const Ended ended =
      run_ranks(3, [&](Ranks& ranks) { got[ranks.rank()] = ranks.share("of " + std::to_string(ranks.rank())); });
  EXPECT_THAT(ended.errors, Each(""));
  EXPECT_THAT(got, Each("of 0"));
}

TEST(Ranks, TheErrorOfOneIsNamedAtRankZeroAndEndsAll) {
  for (const int bad : {1, 3}) {
    const Ended ended = run_ranks(4, [&](Ranks& ranks) {
      if (ranks.rank() == bad) fail("the disk is full");
      ranks.gather("x");
    });
    EXPECT_EQ(ended.errors[0], "rank " + std::to_string(bad) + " on here: the disk is full");
    for (int rank = 1; rank < 4; ++rank)
      EXPECT_EQ(ended.errors[rank], rank == bad ? "the disk is full" : kStopped) << rank;
    EXPECT_EQ(ended.told, ended.errors[0] + "\n");
    EXPECT_FALSE(ended.aborted);
  }
}

TEST(Ranks, AnErrorOfRankZeroEndsAllWhateverTheyWaitFor) {
  const Ended ended = run_ranks(4, [&](Ranks& ranks) {
    if (ranks.rank() == 0) fail("no room");
    if (ranks.rank() == 1) ranks.gather("x");
    if (ranks.rank() == 2) ranks.share("");
    for (int i = 0; ranks.rank() == 3; ++i) ranks.send("event " + std::to_string(i));
  });
  EXPECT_EQ(ended.errors[0], "no room");
  EXPECT_THAT(ended.errors, ElementsAre("no room", kStopped, kStopped, kStopped));
  EXPECT_FALSE(ended.aborted);
}

TEST(Ranks, AnErrorIsTheEndWhateverIsOnItsWay) {
  for (int round = 0; round < 100; ++round) {
    const Ended ended = run_ranks(3, [&](Ranks& ranks) {
      for (int i = 0; i < round % 7 && ranks.rank() > 0; ++i) ranks.send("event");
      if (ranks.rank() == round % 3) {
        std::this_thread::sleep_for(std::chrono::microseconds(10 * round));
        fail("now");
      }
      int sender = 0;
      std::string bytes;
      ranks.wait([&] { return ranks.receive(-1, sender, bytes) && false; });
    });
    ASSERT_FALSE(ended.aborted);
    ASSERT_EQ(ended.left_over, 0u);
    ASSERT_EQ(ended.errors[round % 3], "now");
  }
}

TEST(Ranks, AnErrorOfAllIsToldOnce) {
  const Ended ended = run_ranks(3, [&](Ranks&) { fail("no such option"); });
  EXPECT_THAT(ended.errors, Each("no such option"));
  EXPECT_EQ(ended.told, "no such option\n");
  EXPECT_FALSE(ended.aborted);
}

TEST(Ranks, AnErrorWhileOthersHaveFinishedIsStillHeard) {
  const Ended ended = run_ranks(3, [&](Ranks& ranks) {
    if (ranks.rank() != 2) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    fail("late");
  });
  EXPECT_THAT(ended.errors, ElementsAre("rank 2 on here: late", kStopped, "late"));
}

// Nobody else would tell the line then.
TEST(Ranks, AnErrorIsToldThoughWhatCarriesHasFailed) {
  struct Cut final : ThreadLink {
    using ThreadLink::ThreadLink;
    void send(int, Channel, std::string) override { fail("the wire is cut"); }
  };
  for (const int rank : {0, 1}) {
    const auto post = std::make_shared<Post>(2);
    std::vector<std::string> told;
    {
      Ranks ranks(std::make_unique<Cut>(post, rank));
      ranks.give_up("the disk is full", [&](const std::string& line) { told.push_back(line); });
    }
    EXPECT_THAT(told, ElementsAre(rank == 0 ? "the disk is full" : "rank 1: the disk is full"));
    EXPECT_TRUE(post->aborted);
  }
}

// A launcher says that there are others, and nothing reaches them.
TEST(Ranks, AnErrorBeforeTheRanksAreJoinedIsToldByEach) {
  setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
  for (const char* rank : {"0", "2"}) {
    setenv("OMPI_COMM_WORLD_RANK", rank, 1);
    Ranks ranks;
    std::vector<std::string> told;
    ranks.give_up("MPI finds 1 rank", [&](const std::string& line) { told.push_back(line); });
    EXPECT_THAT(told, ElementsAre("MPI finds 1 rank")) << rank;
  }
  unsetenv("OMPI_COMM_WORLD_RANK");
  unsetenv("OMPI_COMM_WORLD_SIZE");
}

TEST(Ranks, AStreamKeepsItsOrderAndWaitsForItsReader) {
  constexpr int kCount = 300;
  std::vector<std::string> got(3);
  const Ended ended = run_ranks(3, [&](Ranks& ranks) {
    for (int i = 0; i < kCount && ranks.rank() > 0; ++i) ranks.send(std::string(1, static_cast<char>(i % 100)));
    for (int left = 2 * kCount; ranks.rank() == 0 && left > 0;) {
      int sender = 0;
      std::string bytes;
      ranks.wait([&] { return ranks.receive(-1, sender, bytes); });
      got[sender] += bytes, --left;
    }
  });
  EXPECT_THAT(ended.errors, Each(""));
  for (const int rank : {1, 2}) {
    ASSERT_EQ(got[rank].size(), size_t{kCount});
    for (int i = 0; i < kCount; ++i) ASSERT_EQ(got[rank][i], i % 100);
    EXPECT_LE(ended.most_unsent[rank], 4);
  }
}

}  // namespace
}  // namespace gpt2run::test
