// Replays the inputs of tests/fuzz/regressions, each of which once made its target fail, and the seeds that the script
// makes, on all targets. Under the sanitizers this finds again what the fuzzers found.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

namespace fs = std::filesystem;

// Memory that an input only claims to need is not there: what asks for it fails. Under AddressSanitizer, which reserves
// far more addresses than it uses, CMakeLists.txt sets the limit.
void limit_memory() {
#if !defined(__SANITIZE_ADDRESS__)
  constexpr rlim_t kMost = rlim_t{4} << 30;
  const rlimit limit{kMost, kMost};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
#endif
}

// Runs every file of root/TARGET and returns how many there were.
int replay(const fs::path& root) {
  int count = 0;
  for (const Target& target : targets()) {
    if (!fs::exists(root / target.name)) continue;
    for (const auto& file : fs::directory_iterator(root / target.name)) {
      SCOPED_TRACE(file.path().string());
      run(target, test::read_whole(file.path()));
      ++count;
    }
  }
  return count;
}

TEST(FuzzReplay, EveryRegressionInput) {
  limit_memory();
  const fs::path root = SOURCE_DIR "/tests/fuzz/regressions";
  EXPECT_GT(replay(root), 0);
  for (const auto& folder : fs::directory_iterator(root)) {
    const auto is_named = [&](const Target& target) { return folder.path().filename() == target.name; };
    EXPECT_TRUE(std::ranges::any_of(targets(), is_named)) << folder.path() << " is of no target";
  }
}

TEST(FuzzReplay, EverySeed) {
  const test::ScratchFolder folder;
  const std::string script = "python3 -B " SOURCE_DIR "/tests/fuzz/seeds.py ";
  const test::Outcome made = test::run_program(script + folder.path().string());
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_GT(replay(folder.path()), 40);
  for (const Target& target : targets()) {
    ASSERT_TRUE(fs::exists(folder.path() / target.name)) << target.name << " has no seed";
    run(target, "");
  }
}

}  // namespace
}  // namespace gpt2run::fuzz
