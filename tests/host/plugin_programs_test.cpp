// gpt2plugins and the checker as a user runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/plugin_folders.hpp"
#include "support/messages.hpp"
#include "support/sanitizers.hpp"

namespace gpt2run::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

const std::string kProgram = std::string(BINARY_DIR) + "/bin/gpt2plugins";

std::string with(const std::string& fixture) { return " --plugin-dir " + fixture_folder(fixture).string(); }

json list_json(const std::string& arguments) {
  const Outcome outcome = run_program(kProgram + " list --json" + arguments);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return json::parse(outcome.out);
}

// Of a sampler; an empty object when it is not listed.
json row(const json& listed, const std::string& name, const std::string& space = "host") {
  for (const json& plugin : listed.at("plugins"))
    if (plugin.at("kind") == "sampler" && plugin.at("name") == name && plugin.at("space") == space) return plugin;
  return json::object();
}

TEST(List, HasAGoodPluginWithAllItSays) {
  const json good = row(list_json(with("good")), "good");
  EXPECT_EQ(good.at("version"), "1.2.3");
  EXPECT_EQ(good.at("score"), 1);
  EXPECT_EQ(good.at("reason"), "runs everywhere");
  EXPECT_EQ(good.at("file"), fixture_file("good").string());
  EXPECT_EQ(good.at("options").at(0).at("key"), "strength");
  EXPECT_EQ(good.at("options").at(0).at("default"), "0.5");
  EXPECT_FALSE(good.contains("refusal"));
}

TEST(List, APluginThatCrashesExitsOrHangsIsARowWithItsReason) {
  const json listed = list_json(with("crashes") + with("exits") + with("hangs") + with("good"));
  EXPECT_THAT(std::string(row(listed, "exits").at("refusal")), IsMessage(fixture_file("exits").string(), "3"));
  EXPECT_THAT(std::string(row(listed, "hangs").at("refusal")), IsMessage(fixture_file("hangs").string()));
  EXPECT_THAT(std::string(row(listed, "crashes").at("refusal")), testing::ContainsRegex("crashed|ended the process"));
  EXPECT_EQ(row(listed, "good").at("score"), 1) << "the others are listed all the same";
}

TEST(List, TheTableShowsRefusedRejectedAndShadowedFiles) {
  const ScratchFolder scratch;
  scratch.file("gpt2run-sampler-Odd_Name.so");
  fs::copy_file(fixture_file("good"), scratch.path() / "gpt2run-sampler-good.so");
  const Outcome outcome =
      run_program(kProgram + " list --plugin-dir " + scratch.path().string() + with("good") + with("wrong-abi"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::ContainsRegex("sampler +good +host +yes +a plugin for tests"));
  EXPECT_THAT(outcome.out, testing::ContainsRegex("sampler +wrong-abi +host +no +.*built for contract 3"));
  EXPECT_THAT(outcome.out, testing::ContainsRegex("rejected +.*gpt2run-sampler-Odd_Name.so"));
  EXPECT_THAT(outcome.out, HasSubstr("shadowed  " + fixture_file("good").string()));
}

TEST(List, TheTableFitsATerminal) {
  const Outcome outcome = run_program(kProgram + " list" + with("never-runs"));
  std::istringstream lines(outcome.out);
  size_t rows = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  ")) continue;
    EXPECT_LE(line.size(), 100u) << line;
    ++rows;
  }
  EXPECT_GT(rows, 3u);
}

TEST(List, OneThatCannotRunHereGivesItsReason) {
  const json row_of = row(list_json(with("never-runs")), "never-runs");
  EXPECT_EQ(row_of.at("score"), 0);
  EXPECT_EQ(row_of.at("reason"), "it needs a moon that is full");
}

TEST(List, CudaPluginsAreOpenedOnlyBesideADriver) {
  const json with_driver = json::parse(run_program("LD_LIBRARY_PATH=" + fixture_folder("driver").string() + " " +
                                                   kProgram + " list --json" + with("types"))
                                           .out);
  EXPECT_EQ(row(with_driver, "good", "cuda").at("score"), 1);
  const json without = row(list_json(with("types")), "good", "cuda");
  if (!without.contains("refusal")) GTEST_SKIP() << "this machine has a CUDA driver";
  EXPECT_THAT(std::string(without.at("refusal")), IsMessage("libcuda.so.1"));
}

TEST(List, RemovingAFileRemovesItsName) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path() / "gpt2run-sampler-good.so";
  fs::copy_file(fixture_file("good"), file);
  const std::string folder = " --plugin-dir " + scratch.path().string();
  EXPECT_FALSE(row(list_json(folder), "good").empty());
  fs::remove(file);
  EXPECT_TRUE(row(list_json(folder), "good").empty());
}

TEST(Show, OptionsInFull) {
  const Outcome outcome = run_program(kProgram + " show good" + with("good"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::ContainsRegex("strength +real +0.5 +\\[0, 1\\] +how much"));
  EXPECT_EQ(run_program(kProgram + " show sampler:good" + with("good")).out, outcome.out);
}

TEST(Show, ARefusedOneIsAnErrorWithItsReason) {
  const Outcome outcome = run_program(kProgram + " show crashes" + with("crashes"));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::HasSubstr(fixture_file("crashes").string()));
}

// The plugin for CUDA is refused where there is no driver: the one for the host is shown all the same.
TEST(Show, ANameInTwoMemoriesHasTwoPages) {
  const Outcome outcome = run_program(kProgram + " show good" + with("good") + with("types"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::ContainsRegex("memory +host"));
  EXPECT_THAT(outcome.out, HasSubstr("strength"));
  EXPECT_THAT(outcome.out, testing::ContainsRegex("memory +cuda"));
  EXPECT_EQ(run_program(kProgram + " show device-good" + with("good") + with("types")).out, outcome.out);
}

TEST(Programs, APluginThatCrashesIsNamedBeforeTheEnd) {
  const Outcome outcome = run_program(std::string(BINARY_DIR) + "/bin/gpt2run -q --sampler crashes" + with("crashes"));
  EXPECT_GT(outcome.code, 128);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::StartsWith("gpt2run: error: " + fixture_file("crashes").string() + ": "));
  EXPECT_THAT(outcome.err, HasMessage("gpt2run: error", fixture_file("crashes").string()));
}

TEST(Programs, APluginThatHangsIsNamed) {
  const Outcome outcome =
      run_program("timeout 6 " + std::string(BINARY_DIR) + "/bin/gpt2run -q --sampler hangs" + with("hangs"));
  EXPECT_EQ(outcome.code, 124);
  EXPECT_THAT(outcome.err, HasMessage("gpt2run: warning", fixture_file("hangs").string()));
  EXPECT_THAT(outcome.err, testing::EndsWith("\ngpt2run: error: interrupted\n"));
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 2);
}

// A clone in a folder of another user: who can change that could change the programs, too.
TEST(Programs, FoldersAboveTheProgramAreNotJudged) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give a folder to another user";
  const ScratchFolder scratch;
  const std::string folder = scratch.folder("foreign").string(), lib = folder + "/lib/gpt2run";
  const std::string list = "/bin/gpt2plugins list --plugin-dir " + lib;
  const Outcome made =
      run_program("mkdir -p " + folder + "/bin " + lib + " && cp " + kProgram + " " + folder + "/bin && cp " +
                  BINARY_DIR + "/lib/gpt2run/gpt2run-sampler-argmax.so " + lib + " && chown 65534 " + folder);
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(run_program(folder + list).out, testing::HasSubstr("argmax"));
  EXPECT_THAT(run_program(folder + list).out, testing::Not(testing::HasSubstr("refused")));
  EXPECT_THAT(run_program(BINARY_DIR + list).out, testing::HasSubstr("refused"));
}

TEST(Programs, OneThatSharesNothingOutIsNoRankOfSeveral) {
  const Outcome alone = run_program("OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=1 " + kProgram + " path");
  EXPECT_EQ(alone.code, 0) << alone.err;
  const Outcome one = run_program("OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=3 " + kProgram + " path");
  EXPECT_THAT(one, IsRefusal(1, "rank 1 of 3", "OMPI_COMM_WORLD_RANK"));
}

TEST(Programs, ADiskThatTakesNoMoreIsOneLine) {
  const ScratchFolder scratch;
  const Outcome outcome =
      run_program("cd " + scratch.path().string() + "; ulimit -f 1; " + kProgram + " list" + with("good") + " >a");
  EXPECT_THAT(outcome, IsRefusal(1, "gpt2plugins", "standard output", "File too large"));
}

TEST(Path, PrintsTheFoldersInOrder) {
  const Outcome outcome =
      run_program("GPT2RUN_PLUGIN_PATH=" + fixture_folder("types").string() + " " + kProgram + " path" + with("good"));
  EXPECT_THAT(outcome.out, testing::StartsWith(fs::canonical(fixture_folder("good")).string() + "\n" +
                                               fs::canonical(fixture_folder("types")).string() + "\n"));
  EXPECT_THAT(outcome.out, testing::EndsWith("lib/gpt2run\n"));
}

TEST(CommandLine, MistakesAreOneLineAndExitTwo) {
  const std::pair<const char*, const char*> cases[] = {{"", "command"},
                                                       {"lits", "\"lits\""},
                                                       {"list --jsn", "\"--jsn\""},
                                                       {"list again", "\"again\""},
                                                       {"show", "show"},
                                                       {"show no-such-plugin", "\"no-such-plugin\""},
                                                       {"path --json", "--json"},
                                                       {"list --plugin-dir", "--plugin-dir"},
                                                       {"show a b", "\"b\""}};
  for (const auto& [arguments, word] : cases) {
    const Outcome outcome = run_program(kProgram + " " + arguments);
    EXPECT_THAT(outcome, IsRefusal(2, word)) << arguments;
  }
  const Outcome missing = run_program(kProgram + " list --plugin-dir /nowhere/at/all");
  EXPECT_THAT(missing, IsRefusal(1, "--plugin-dir", "/nowhere/at/all"));
  EXPECT_EQ(run_program(kProgram + " --help").code, 0);
}

TEST(List, ALongNameIsCut) {
  const ScratchFolder scratch;
  const std::string name(200, 'x');
  scratch.file("gpt2run-sampler-" + name + ".so");
  const Outcome outcome = run_program(kProgram + " list --plugin-dir " + scratch.path().string());
  EXPECT_THAT(outcome.out, testing::ContainsRegex("sampler +" + name.substr(0, 60) + "\\.\\.\\. +host"));
}

TEST(CommandLine, NamesAreSpeltWithEitherDash) {
  const std::string folder = fixture_folder("good").string();
  const std::string expected = run_program(kProgram + " path --plugin-dir " + folder).out;
  EXPECT_THAT(expected, testing::StartsWith(folder));
  EXPECT_EQ(run_program(kProgram + " path --plugin_dir " + folder).out, expected);
  EXPECT_EQ(run_program(kProgram + " path --plugin_dir=" + folder).out, expected);
}

TEST(List, ANameWithALineEndStaysOneRow) {
  const ScratchFolder scratch;
  scratch.file("gpt2run-sampler-a\nb\x1b[2J.so");
  const Outcome outcome = run_program(kProgram + " list --plugin-dir " + scratch.path().string());
  EXPECT_THAT(outcome.out, HasSubstr("gpt2run-sampler-a\\nb\\x1b[2J.so"));
}

TEST(CommandLine, AFullDiskIsAnError) {
  const Outcome outcome = run_program(kProgram + " list >/dev/full");
  EXPECT_THAT(outcome, IsRefusal(1, "gpt2plugins", "standard output", "No space left on device"));
}

TEST(Surroundings, OddOnesAreHarmless) {
  const std::string expected = run_program(kProgram + " list").out;
  for (const char* before : {"LC_ALL=no_SUCH.locale", "env -u HOME XDG_DATA_HOME=odd/place", "HOME=", "HOME=/dev/null",
                             "XDG_DATA_HOME=/dev/null", "GPT2RUN_PLUGIN_PATH=:::", "env -i"}) {
    const Outcome outcome = run_program(std::string(before) + " " + kProgram + " list");
    EXPECT_EQ(outcome.code, 0) << before << ": " << outcome.err;
    EXPECT_EQ(outcome.out, expected) << before;
  }
}

TEST(Surroundings, TheCurrentFolderIsNeverSearched) {
  const Outcome outcome = run_program("cd " + fixture_folder("good").string() + " && " + kProgram + " list");
  EXPECT_EQ(outcome.out.find(" good "), std::string::npos) << outcome.out;
}

TEST(Surroundings, ASetUserIdProgramIgnoresTheEnvironment) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a program of another user";
  SKIP_UNDER_ASAN("the leak checker cannot watch a set-user-id program");
  const ScratchFolder scratch;
  chmod(scratch.path().c_str(), 0755);
  const fs::path program = scratch.path() / "gpt2plugins";
  fs::copy_file(kProgram, program);
  const std::string line = "GPT2RUN_PLUGIN_PATH=" + fixture_folder("good").string() + " " + program.string() + " path";
  EXPECT_THAT(run_program(line).out, HasSubstr("tests/plugins/good"));
  ASSERT_EQ(chown(program.c_str(), 65534, 65534), 0);
  ASSERT_EQ(chmod(program.c_str(), 04755), 0);
  const Outcome outcome = run_program(line);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find("tests/plugins/good"), std::string::npos) << outcome.out;
}

TEST(Programs, LinkNoPlugin) {
  for (const char* program : {"gpt2run", "gpt2plugins"}) {
    const Outcome outcome = run_program("LC_ALL=C readelf -d " + std::string(BINARY_DIR) + "/bin/" + program);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("(NEEDED)"));
    EXPECT_EQ(outcome.out.find("gpt2run-"), std::string::npos) << outcome.out;
  }
}

}  // namespace
}  // namespace gpt2run::test
