// What ranks measure comes to rank 0 in the order of items, so that sums are those of one process.
#include <gmock/gmock.h>

#include <numeric>

#include "common/ranks/ranked_items.hpp"
#include "common/ranks/ranked_start.hpp"
#include "ranks/thread_ranks.hpp"
#include "support/messages.hpp"

namespace gpt2run::test {
namespace {

using testing::Each;

// Values whose sum hangs on their order; item i has i mod 4 of them.
std::vector<double> values_of(size_t item) {
  std::vector<double> values;
  for (size_t k = 0; k < item % 4; ++k)
    values.push_back((item + k) % 3 == 0 ? 1e16 : 1 / static_cast<double>(3 + item));
  return values;
}

// What rank 0 has at the end, in its order.
std::vector<double> gathered(Ranks& ranks, size_t items) {
  std::string own;
  std::vector<size_t> sizes;
  for (size_t i = 0; i < items; ++i) {
    sizes.push_back(values_of(i).size() * sizeof(double));
    if (!ranks.owns(i)) continue;
    for (const double value : values_of(i)) append_value(own, value);
  }
  std::vector<double> all;
  size_t next = 0;
  gather_items(ranks, std::move(own), sizes, [&](size_t item, std::string_view bytes) {
    EXPECT_EQ(item, next++);
    EXPECT_EQ(bytes.size(), sizes[item]);
    while (!bytes.empty()) all.push_back(read_value<double>(bytes));
  });
  EXPECT_EQ(next, ranks.is_root() ? items : 0);
  return all;
}

TEST(RankedItems, AreInOrderAtRankZeroOnly) {
  for (const size_t items : {0, 1, 2, 7, 40}) {
    Ranks alone;
    const std::vector<double> one = gathered(alone, items);
    for (const int size : {2, 3, 4}) {
      SCOPED_TRACE(std::to_string(items) + " items, ranks " + std::to_string(size));
      std::vector<double> all;
      const Ended ended = run_ranks(size, [&](Ranks& ranks) {
        const std::vector<double> here = gathered(ranks, items);
        if (ranks.is_root()) all = here;
        EXPECT_TRUE(ranks.is_root() || here.empty());
      });
      EXPECT_THAT(ended.errors, Each(""));
      EXPECT_EQ(ended.left_over, 0u);
      EXPECT_EQ(all, one);
      EXPECT_EQ(std::accumulate(all.begin(), all.end(), 0.), std::accumulate(one.begin(), one.end(), 0.));
    }
  }
}

TEST(RankedItems, ARankWithOtherResultsIsNamed) {
  const Ended ended = run_ranks(3, [](Ranks& ranks) {
    const std::vector<size_t> sizes(6, 8);
    gather_items(ranks, std::string(ranks.rank() == 2 ? 15 : 16, 'x'), sizes, [](size_t, std::string_view) {});
  });
  EXPECT_THAT(ended.errors[0], IsMessage("rank 2", "16", "15"));
  EXPECT_THAT(ended.errors[1], IsMessage("rank 0"));
  EXPECT_FALSE(ended.aborted);
}

TEST(RankedItems, TextsThatDifferAreRefusedPathsThatDifferAreNot) {
  const auto check = [](int other) {
    return run_ranks(3, [other](Ranks& ranks) {
      Manifest manifest;
      const char* path = ranks.rank() == 1 ? "/data/text" : "/scratch/text";
      for (const char* key : {"text", "prompts", "test_model"}) manifest.options.push_back({key, path, "text"});
      const Prompt texts[] = {{"text", {1, ranks.rank() == 2 ? other : 2}}};
      check_comparable(ranks, manifest, texts);
    });
  };
  EXPECT_THAT(check(2).errors, Each(""));
  EXPECT_THAT(check(3).errors[0], IsMessage("rank 2", "\"prompts\"", "1"));
}

TEST(RankedItems, ValuesAndTextsAreReadAsTheyWereWritten) {
  std::string bytes;
  append_value(bytes, 1.5), append_text(bytes, "a"), append_text(bytes, ""), append_value(bytes, int32_t{-7});
  std::string_view left = bytes;
  EXPECT_EQ(read_value<double>(left), 1.5);
  EXPECT_EQ(read_string(left), "a");
  EXPECT_EQ(read_string(left), "");
  EXPECT_EQ(read_value<int32_t>(left), -7);
  EXPECT_TRUE(left.empty());
  EXPECT_THROW(read_value<char>(left), Error);
  left = std::string_view(bytes).substr(8, 8);
  EXPECT_THROW(read_string(left), Error);
}

}  // namespace
}  // namespace gpt2run::test
