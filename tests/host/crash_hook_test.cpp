// Signals belong to the program: the host touches none by itself, and tells its hook before code of a plugin runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "common/config/create.hpp"
#include "common/program/crash_report.hpp"
#include "gpt2run/sampler.hpp"
#include "host/plugin_folders.hpp"
#include "host/signal_state.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

using testing::ElementsAre;

void on_alarm(int) {}

std::string seen(const char* variable) {
  const char* text = getenv(variable);
  return text ? text : "nothing";
}

// A library's static constructors run once in a process, so each test opens a copy of its own.
class CrashHookTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* variable : {kSeenWhenOpened, kSeenInProbe, kSeenInCreate}) unsetenv(variable);
    std::filesystem::copy_file(fixture_file("signals"), file_);
    before_handler_ = std::signal(SIGALRM, on_alarm);
    alarm(1000);
    before_ = signal_state();
  }

  void TearDown() override {
    alarm(0);
    std::signal(SIGALRM, before_handler_);
  }

  void open_and_create(const CrashHook& hook) const {
    PluginHost host({scratch_.path()}, hook);
    const BoundPlugin bound(host.get(Kind::sampler, "signals"), {"signals", {}}, Layer::fallback, &host);
    create<Sampler>(bound);
  }

  const ScratchFolder scratch_;
  const std::filesystem::path file_ = scratch_.path() / "gpt2run-sampler-signals.so";
  std::string before_;

 private:
  void (*before_handler_)(int) = SIG_DFL;
};

TEST_F(CrashHookTest, WithoutAHookNoSignalAndNoAlarmIsTouched) {
  open_and_create({});
  EXPECT_EQ(seen(kSeenWhenOpened), before_);
  EXPECT_EQ(seen(kSeenInProbe), before_);
  EXPECT_EQ(seen(kSeenInCreate), before_);
  EXPECT_EQ(signal_state(), before_);
}

TEST_F(CrashHookTest, TheHookOfProgramsWatchesWhileCodeOfThePluginRunsAndRestores) {
  open_and_create(report_crashes);
  EXPECT_NE(seen(kSeenWhenOpened), before_);
  EXPECT_EQ(seen(kSeenInProbe), seen(kSeenWhenOpened));
  EXPECT_EQ(seen(kSeenInCreate), seen(kSeenWhenOpened));
  EXPECT_EQ(signal_state(), before_);
}

TEST_F(CrashHookTest, IsToldOfTheFileAndOfWhatIsDone) {
  std::vector<std::string> told;
  const auto hook = [&](const std::filesystem::path& file, const std::string& done) {
    EXPECT_EQ(file, file_);
    told.push_back(done);
    return std::shared_ptr<void>(&told, [](std::vector<std::string>* list) { list->push_back("returned"); });
  };
  open_and_create(hook);
  EXPECT_THAT(told, ElementsAre("opened", "returned", "asked whether it runs here", "returned", "created", "returned"));
}

}  // namespace
}  // namespace gpt2run::test
