// What the progress line says.
#include "common/program/progress.hpp"

#include <gtest/gtest.h>

namespace gpt2run {
namespace {

TEST(ProgressLine, TellsWhatIsDoneAndTheTimeLeftByItsPace) {
  EXPECT_EQ(progress_line(0, 8, 3), "[                        ] 0 of 8 sequences");
  EXPECT_EQ(progress_line(2, 8, 30), "[######                  ] 2 of 8 sequences, 1:30 left");
  EXPECT_EQ(progress_line(1, 101, 72.5), "[                        ] 1 of 101 sequences, 2:00:50 left");
  EXPECT_EQ(progress_line(8, 8, 30), "[########################] 8 of 8 sequences, 0:00 left");
  EXPECT_EQ(progress_line(0, 8, 3, "tokens"), "[                        ] 0 of 8 tokens");
}

}  // namespace
}  // namespace gpt2run
