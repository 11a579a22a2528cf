// What a plugin may not do to the program that opens it: exit, throw what is no exception, choose what is no token.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <map>

#include "host/plugin_folders.hpp"
#include "support/messages.hpp"

namespace gpt2run::test {
namespace {

const std::string kBin = std::string(BINARY_DIR) + "/bin/";

Outcome run_with(const std::string& folder, const std::string& arguments) {
  return run_program(kBin + "gpt2run -q -n 3 --precision cpu-fp32 --sink null --plugin-dir " +
                     fixture_folder(folder).string() + " " + arguments);
}

TEST(Rogue, IsASamplerLikeOthers) {
  const Outcome outcome = run_with("rogue", "--sampler rogue");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "");
}

TEST(Rogue, AnExitIsNoSuccess) {
  EXPECT_THAT(run_with("quits", "--sampler quits"), IsRefusal(1, fixture_file("quits").string()));
  EXPECT_THAT(run_with("rogue", "--sampler rogue:act=exit_in_create"), IsRefusal(1, fixture_file("rogue").string()));
  EXPECT_THAT(run_with("rogue", "--sampler rogue:act=exit"), IsRefusal(1, fixture_file("rogue").string()));
}

TEST(Rogue, AnExitIsNoPassedCheck) {
  const Outcome outcome = run_program(kBin + "gpt2run-plugin-check " + fixture_file("quits").string());
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, testing::ContainsRegex("not ok 7 - probe [^\n]*: ended the process with status 0\n"));
  EXPECT_THAT(outcome.out, testing::ContainsRegex("\n1\\.\\.9\n")) << "the other checks ran all the same";
  EXPECT_EQ(outcome.err, "");
}

TEST(Rogue, WhatIsThrownAndNoExceptionIsOneLine) {
  EXPECT_THAT(run_with("rogue", "--sampler rogue:act=throw_in_create"), IsRefusal(1, "sampler rogue"));
  EXPECT_THAT(run_with("rogue", "--sampler rogue:act=throw"), IsRefusal(1, "sampler rogue"));
}

TEST(Rogue, AnExceptionThatIsNoErrorCarriesThePluginsName) {
  EXPECT_THAT(run_with("rogue", "--sampler rogue:act=exception_in_create"),
              IsRefusal(1, "sampler rogue", "there is no place 8"));
}

// A crash ends the program by its signal, after one line of ours (a shell may add its own).
void expect_crash(const Outcome& outcome, int signal, const std::string& file) {
  EXPECT_EQ(outcome.code, 128 + signal);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::StartsWith("gpt2run: error: " + file + ": "));
  EXPECT_THAT(outcome.err, HasMessage("gpt2run: error", file));
  EXPECT_EQ(outcome.err.find("gpt2run: ", 1), std::string::npos) << outcome.err;
}

TEST(Rogue, ACrashInCreateIsNamed) {
  expect_crash(run_with("crashes-in-create", "--sampler crashes-in-create"), SIGABRT,
               fixture_file("crashes-in-create").string());
}

// Without --loader all loaders are asked what they make of the model.
TEST(Rogue, ALoaderThatCrashesInProbeIsNamed) {
  expect_crash(run_with("crashes-in-probe", ""), SIGSEGV,
               (fixture_folder("crashes-in-probe") / "gpt2run-loader-crashes-in-probe.so").string());
}

TEST(Rogue, ACreateThatMakesNothingIsOneLine) {
  const std::map<std::string, std::string> usual = {
      {"loader", "huggingface"}, {"precision", "cpu-fp32"}, {"sampler", "rogue"}, {"sink", "null"}};
  for (const auto& [kind, ignored] : usual) {
    std::string command = kBin + "gpt2run -q -n 3 --plugin-dir " + fixture_folder("makes-nothing").string() +
                          " --plugin-dir " + fixture_folder("rogue").string();
    for (const auto& [slot, name] : usual) command += " --" + slot + " " + (slot == kind ? "makes-nothing" : name);
    EXPECT_THAT(run_program(command), IsRefusal(1, kind + " makes-nothing"));
  }
}

TEST(Rogue, ALoaderThatMakesNothingDoesNotKeepTheOthersFromTheModel) {
  const Outcome outcome = run_with("makes-nothing", "--sampler rogue --plugin-dir " + fixture_folder("rogue").string());
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, IsMessage("gpt2run: warning", "loader makes-nothing"));
}

TEST(Rogue, ATokenOutsideTheVocabularyIsTheSamplers) {
  for (const char* token : {"999999", "4096", "-1", "-5"})
    EXPECT_THAT(run_with("rogue", std::string("--sampler rogue:act=token:token=") + token),
                IsRefusal(1, "sequence 0", "position 1", "sampler rogue", "[0, 4096)", token));
}

TEST(Driver, OneThatCrashesIsNamed) {
  const std::string folder = fixture_folder("driver-crashes").string();
  const Outcome outcome =
      run_program("LD_LIBRARY_PATH=" + folder + " " + kBin + "gpt2run -q --precision cuda-fp16 --plugin-dir " +
                  fixture_folder("types").string());
  EXPECT_GT(outcome.code, 128);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasMessage("gpt2run: error", "libcuda.so.1"));
}

}  // namespace
}  // namespace gpt2run::test
