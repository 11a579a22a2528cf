// The host: which files are plugins, which are refused and why, and which plugin a name means.
#include "host/plugin_host.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/discovery.hpp"
#include "host/log.hpp"
#include "host/plugin_folders.hpp"
#include "support/messages.hpp"

namespace gpt2run::test {
namespace {

namespace fs = std::filesystem;

// Sets or unsets a variable of the environment while it lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = getenv(name)) before_ = before, was_set_ = true;
    value ? setenv(name, value, 1) : unsetenv(name);
  }
  ~Environment() { was_set_ ? setenv(name_, before_.c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::string before_;
  bool was_set_ = false;
};

std::string open_error(const fs::path& folder, const std::string& name) {
  return error_of([&] {
    PluginHost host({folder});
    const Candidate* candidate = host.find(Kind::sampler, name, Space::host);
    ASSERT_NE(candidate, nullptr) << name;
    host.open(*candidate);
  });
}

TEST(FileNames, TellKindNameAndSpace) {
  std::string reason;
  const auto plain = parse_file_name("gpt2run-sampler-top-k.so", reason);
  ASSERT_TRUE(plain) << reason;
  EXPECT_EQ(plain->kind, Kind::sampler);
  EXPECT_EQ(plain->name, "top-k");
  EXPECT_EQ(plain->space, Space::host);
  const auto cuda = parse_file_name("gpt2run-precision-cuda-fp16.cuda.so", reason);
  ASSERT_TRUE(cuda) << reason;
  EXPECT_EQ(cuda->name, "cuda-fp16");
  EXPECT_EQ(cuda->space, Space::cuda);
}

TEST(FileNames, OtherFilesAreIgnoredAndBadNamesSaidToBe) {
  std::string reason;
  for (const char* name : {"libgpt2run.so", "gpt2run-sampler-x", "gpt2run-sampler-x.so.1", "readme", "gpt2run.so"}) {
    EXPECT_FALSE(parse_file_name(name, reason)) << name;
    EXPECT_EQ(reason, "") << name;
  }
  for (const char* name :
       {"gpt2run-.so", "gpt2run-sampler.so", "gpt2run-sampler-.so", "gpt2run-brew-tea.so", "gpt2run-sampler-Top_K.so",
        "gpt2run-sampler-x.rocm.so", "gpt2run-sampler-x..so", "gpt2run-sampler-x.cuda.test.so",
        "gpt2run-sampler.x-y.so", "gpt2run-sampler-device-x.so", "gpt2run--x.so"}) {
    EXPECT_FALSE(parse_file_name(name, reason)) << name;
    EXPECT_NE(reason, "") << name;
  }
}

struct Refusal {
  const char* name;
  Words words;  // beside the file
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, WithFileAndReason) {
  const std::string name = GetParam().name;
  const std::string error = open_error(fixture_folder(name), name);
  Words words = GetParam().words;
  words.push_back(fixture_file(name).string());
  EXPECT_THAT(error, IsMessage(words));
}

INSTANTIATE_TEST_SUITE_P(Plugins, Refused,
                         testing::Values(Refusal{"wrong-abi", {"3", std::to_string(kAbi), "docs/plugin_guide.md"}},
                                         Refusal{"wrong-tag", {"some-other-library", kTag}},
                                         Refusal{"wrong-kind", {"sink 'wrong-kind'", "sampler"}},
                                         Refusal{"wrong-space", {"space test", "space host"}},
                                         Refusal{"wrong-name", {"right-name"}}, Refusal{"no-tag", {"tag"}},
                                         Refusal{"no-summary", {"summary"}}, Refusal{"no-probe", {"probe"}},
                                         Refusal{"no-create", {"create"}}, Refusal{"no-symbol", {"gpt2run_plugin"}},
                                         Refusal{"borrowed", {"gpt2run_plugin", "own"}},
                                         Refusal{"missing-library", {"libgpt2run_absent.so"}},
                                         Refusal{"missing-symbol", {"gpt2run_defined_nowhere"}},
                                         Refusal{"bad-type", {"\"float\""}}, Refusal{"bad-range", {"\"1 to 3\""}},
                                         Refusal{"bad-fallback", {"(0, 1]"}}, Refusal{"bad-choice", {"a|b"}},
                                         Refusal{"bad-key", {"Top-P"}}, Refusal{"null-help", {"option 1"}},
                                         Refusal{"double-key", {"option k"}}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Opening, FilesThatAreNoLibraries) {
  const ScratchFolder scratch;
  const std::string whole = read_whole(fixture_file("good"));
  scratch.file("gpt2run-sampler-text.so", "plain text");
  scratch.file("gpt2run-sampler-empty.so");
  scratch.file("gpt2run-sampler-cut.so", whole.substr(0, 1024));
  scratch.folder("gpt2run-sampler-folder.so");
  for (const std::string name : {"text", "empty", "cut", "folder"})
    EXPECT_THAT(open_error(scratch.path(), name),
                IsMessage((scratch.path() / ("gpt2run-sampler-" + name + ".so")).string()));
}

TEST(Opening, GivesTheDescriptorAndKeepsTheLibrary) {
  const Plugin* first = nullptr;
  {
    PluginHost host({fixture_folder("good")});
    first = &host.get(Kind::sampler, "good");
  }
  PluginHost host({fixture_folder("good")});
  EXPECT_EQ(&host.get(Kind::sampler, "good"), first);
  EXPECT_STREQ(first->version, "1.2.3");
  EXPECT_EQ(first->probe().score, 1);
}

TEST(Discovery, TwoOfOneIdentityInAFolderAreRefusedAndLeaveTheOthers) {
  const ScratchFolder scratch;
  fs::copy_file(fixture_file("good"), scratch.path() / "gpt2run-sampler-good.so");
  fs::copy_file(fixture_file("good"), scratch.path() / "gpt2run-sampler-good.host.so");
  fs::copy_file(fixture_folder("types") / "gpt2run-sampler-plain.so", scratch.path() / "gpt2run-sampler-plain.so");
  const std::string error = open_error(scratch.path(), "good");
  EXPECT_THAT(error, IsMessage("gpt2run-sampler-good.so", "gpt2run-sampler-good.host.so"));
  EXPECT_EQ(open_error(scratch.path(), "plain"), "no error");
}

TEST(Discovery, TheFirstFolderWinsAndTheShadowedFileIsLogged) {
  const ScratchFolder scratch;
  const fs::path copy = scratch.path() / "gpt2run-sampler-good.so";
  fs::copy_file(fixture_file("good"), copy);
  PluginHost host({scratch.path(), fixture_folder("good")});
  const Candidate* candidate = host.find(Kind::sampler, "good", Space::host);
  ASSERT_NE(candidate, nullptr);
  EXPECT_EQ(candidate->file, copy);
  ASSERT_EQ(candidate->shadows.size(), 1u);
  EXPECT_EQ(candidate->shadows[0], fixture_file("good"));
  testing::internal::CaptureStderr();
  host.open(*candidate);
  host.open(*candidate);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, IsMessage(fixture_file("good").string(), copy.string())) << "said once";
}

TEST(Discovery, RemovingAFileRemovesItsName) {
  const ScratchFolder scratch;
  const fs::path copy = scratch.path() / "gpt2run-sampler-good.so";
  fs::copy_file(fixture_file("good"), copy);
  EXPECT_NE(PluginHost({scratch.path()}).find(Kind::sampler, "good", Space::host), nullptr);
  fs::remove(copy);
  fs::copy_file(fixture_folder("types") / "gpt2run-sampler-plain.so", scratch.path() / "gpt2run-sampler-plain.so");
  PluginHost host({scratch.path()});
  EXPECT_EQ(host.find(Kind::sampler, "good", Space::host), nullptr);
  const std::string error = error_of([&] { host.get(Kind::sampler, "good"); });
  EXPECT_THAT(error, IsMessage("sampler \"good\"", "plain"));
}

TEST(Discovery, AnUnknownNameListsWhatThereIsAndTheNearest) {
  PluginHost host({fixture_folder("good")});
  const std::string error = error_of([&] { host.get(Kind::sampler, "god"); });
  EXPECT_THAT(error, IsMessage("sampler \"god\"", "\"good\""));
  EXPECT_THAT(error, testing::ContainsRegex("there is: .*good"));
}

TEST(Folders, OfTheEnvironmentMustBeAbsolute) {
  const ScratchFolder scratch;
  const fs::path before = fs::current_path();
  fs::current_path(fixture_folder("good"));
  const Environment list("GPT2RUN_PLUGIN_PATH", (":.:" + scratch.path().string() + ":/nowhere/at/all:").c_str());
  testing::internal::CaptureStderr();
  const auto folders = search_folders({});
  const std::string log = testing::internal::GetCapturedStderr();
  fs::current_path(before);
  EXPECT_THAT(folders, testing::Contains(scratch.path()));
  EXPECT_THAT(folders, testing::Not(testing::Contains(fs::canonical(fixture_folder("good")))));
  EXPECT_THAT(log, HasMessage("GPT2RUN_PLUGIN_PATH", "relative"));
  EXPECT_THAT(log, HasMessage("GPT2RUN_PLUGIN_PATH", "/nowhere/at/all"));
}

TEST(Folders, OddSettingsOfTheUserAreHarmless) {
  const ScratchFolder scratch;
  const fs::path own = scratch.folder(".local/share/gpt2run/plugins"), data = scratch.folder("data/gpt2run/plugins");
  {
    const Environment home("HOME", scratch.path().c_str()), xdg("XDG_DATA_HOME", nullptr);
    EXPECT_THAT(search_folders({}), testing::Contains(own));
  }
  {
    const Environment home("HOME", scratch.path().c_str()), xdg("XDG_DATA_HOME", (scratch.path() / "data").c_str());
    EXPECT_THAT(search_folders({}), testing::Contains(data));
    EXPECT_THAT(search_folders({}), testing::Not(testing::Contains(own)));
  }
  {
    const Environment home("HOME", nullptr), xdg("XDG_DATA_HOME", "data/relative");
    EXPECT_THAT(search_folders({}), testing::Not(testing::Contains(own)));
  }
}

TEST(Folders, OrderAndDoubles) {
  const ScratchFolder a, b;
  const Environment list("GPT2RUN_PLUGIN_PATH", (b.path().string() + ":" + a.path().string()).c_str());
  const auto folders = search_folders({a.path(), a.path() / "."});
  ASSERT_GE(folders.size(), 2u);
  EXPECT_EQ(folders[0], a.path());
  EXPECT_EQ(folders[1], b.path());
  EXPECT_EQ(std::count(folders.begin(), folders.end(), a.path()), 1);
  EXPECT_EQ(folders.back(), fs::canonical(fs::path(BINARY_DIR) / "lib/gpt2run")) << "beside the program, last";
}

TEST(Folders, OneThatIsGivenMustBeThere) {
  EXPECT_THAT(error_of([] { search_folders({"/nowhere/at/all"}); }), IsMessage("--plugin-dir", "/nowhere/at/all"));
}

bool has_driver() {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return driver != nullptr;
}

TEST(Precisions, ABareTypeFallsBackToTheCpuAndSaysWhy) {
  if (has_driver()) GTEST_SKIP() << "this machine has a CUDA driver";
  PluginHost host({fixture_folder("types")});
  testing::internal::CaptureStderr();
  EXPECT_STREQ(host.precision("fp16").name, "cpu-fp16");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasMessage("precision fp16", "cpu-fp16", "cuda-fp16", "CUDA", "libcuda.so.1"));
}

TEST(Precisions, AnExactNameThatCannotRunNamesAnAlternative) {
  PluginHost host({fixture_folder("types")});
  const std::string error = error_of([&] { host.precision("cpu-bf16"); });
  EXPECT_THAT(error, testing::ContainsRegex("cpu-bf16.* it needs a moon that is full.*--precision [a-z0-9-]+ "));
}

TEST(Precisions, TheAlternativeWithoutADriverIsOfTheCpu) {
  if (has_driver()) GTEST_SKIP() << "this machine has a CUDA driver";
  PluginHost host({fixture_folder("types")});
  EXPECT_THAT(error_of([&] { host.precision("cpu-bf16"); }), IsMessage("\"cpu-bf16\"", "--precision cpu-fp16"));
}

TEST(Precisions, ABareTypeThatNothingCanRunGivesAllReasons) {
  if (has_driver()) GTEST_SKIP() << "this machine has a CUDA driver";
  PluginHost host({fixture_folder("types")});
  const std::string error = error_of([&] { host.precision("bf16"); });
  EXPECT_THAT(error, IsMessage("bf16", "CUDA", "libcuda.so.1", "it needs a moon that is full"));
}

TEST(Precisions, AnUnknownNameListsWhatThereIs) {
  PluginHost host({fixture_folder("types")});
  EXPECT_THAT(error_of([&] { host.precision("fp8"); }), IsMessage("precision \"fp8\"", "cpu-fp16"));
}

// In a process of its own: a library by the driver's name stays open.
TEST(PrecisionsDeathTest, ABareTypePrefersTheDevice) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto choose = [] {
    if (!dlopen((fixture_folder("driver") / "libcuda.so.1").c_str(), RTLD_NOW)) _exit(9);
    PluginHost host({fixture_folder("types")});
    if (std::string(host.precision("fp16").name) != "cuda-fp16") _exit(8);
    if (host.sampler("device-good", Space::cuda).space != Space::cuda) _exit(7);
    _exit(0);
  };
  EXPECT_EXIT(choose(), testing::ExitedWithCode(0), "precision fp16: cuda-fp16");
}

TEST(Samplers, DeviceMeansTheMemoryWhereTheLogitsAre) {
  PluginHost host({fixture_folder("types"), fixture_folder("good")});
  EXPECT_EQ(host.sampler("device-good", Space::host).space, Space::host);
  EXPECT_EQ(host.sampler("device-good", Space::test).space, Space::test);
  EXPECT_EQ(host.sampler("good", Space::test).space, Space::host);
  EXPECT_THAT(error_of([&] { host.sampler("device-plain", Space::cuda); }),
              IsMessage("sampler \"plain\"", "cuda", "--sampler plain"));
  EXPECT_THAT(error_of([&] { host.sampler("device-gold", Space::host); }), IsMessage("\"gold\"", "\"good\""));
}

TEST(Services, MessagesOfPluginsGoToTheLogByTheirLevel) {
  const auto log_all = [] {
    testing::internal::CaptureStderr();
    for (int level = 0; level < 3; ++level) host_services().log(level, ("{} level " + std::to_string(level)).c_str());
    return testing::internal::GetCapturedStderr();
  };
  set_quiet(false);
  EXPECT_EQ(log_all(), "gpt2run: {} level 1\ngpt2run: warning: {} level 2\n");
  set_quiet(true);
  EXPECT_EQ(log_all(), "gpt2run: warning: {} level 2\n");
  {
    const Environment debug("GPT2RUN_DEBUG", "1");
    set_quiet(false);
    EXPECT_THAT(log_all(), testing::StartsWith("gpt2run: {} level 0\n"));
  }
  set_quiet(false);
}

TEST(Services, AReceiverGetsMessagesInPlaceOfStandardError) {
  std::string received;
  set_log_receiver([&](int level, const std::string& text) { received += std::to_string(level) + " " + text + "\n"; });
  testing::internal::CaptureStderr();
  set_quiet(true);  // does not concern a receiver
  host_services().log(0, "a");
  host_services().log(1, "{}");
  host_services().log(2, "two\nlines");
  log_error("b");
  set_log_receiver({});
  set_quiet(false);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(received, "0 a\n1 {}\n2 two\\nlines\n3 b\n");
}

TEST(Samplers, OneThatCannotRunSaysWhy) {
  PluginHost host({fixture_folder("never-runs")});
  EXPECT_THAT(error_of([&] { host.sampler("never-runs", Space::host); }),
              IsMessage("sampler \"never-runs\"", "it needs a moon that is full"));
}

}  // namespace
}  // namespace gpt2run::test
