// What a plugin may not do to the program that opens it: exit, throw what is no exception, choose what is no token.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <map>

#include "host/plugin_folders.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

const std::string kBin = std::string(BINARY_DIR) + "/bin/";

Outcome run_with(const std::string& folder, const std::string& arguments) {
  return run_program(kBin + "gpt2run -q -n 3 --precision cpu-fp32 --sink null --plugin-dir " +
                     fixture_folder(folder).string() + " " + arguments);
}

void expect_line(const Outcome& outcome, const std::string& line) {
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "gpt2run: error: " + line + "\n");
}

TEST(Rogue, IsASamplerLikeOthers) {
  const Outcome outcome = run_with("rogue", "--sampler rogue");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "");
}

TEST(Rogue, AnExitIsNoSuccess) {
  expect_line(run_with("quits", "--sampler quits"),
              fixture_file("quits").string() + ": ended the program when it was asked whether it runs here");
  expect_line(
      run_with("rogue", "--sampler rogue:act=exit_in_create"),
      (fixture_folder("rogue") / "gpt2run-sampler-rogue.so").string() + ": ended the program when it was created");
  expect_line(run_with("rogue", "--sampler rogue:act=exit"), "a plugin ended the program before its work was done");
}

TEST(Rogue, AnExitIsNoPassedCheck) {
  const Outcome outcome = run_program(kBin + "gpt2run-plugin-check " + fixture_file("quits").string());
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, testing::StartsWith("ok 1 - "));
  EXPECT_EQ(outcome.out.find("1.."), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.err, "gpt2run-plugin-check: error: a plugin ended the program before its work was done\n");
}

TEST(Rogue, WhatIsThrownAndNoExceptionIsOneLine) {
  expect_line(run_with("rogue", "--sampler rogue:act=throw_in_create"),
              "sampler rogue: threw something that is no std::exception when it was created");
  expect_line(run_with("rogue", "--sampler rogue:act=throw"), "a plugin threw something that is no std::exception");
}

TEST(Rogue, AnExceptionThatIsNoErrorCarriesThePluginsName) {
  expect_line(run_with("rogue", "--sampler rogue:act=exception_in_create"),
              "sampler rogue: threw an exception when it was created: there is no place 8");
}

// A crash ends the program by its signal, after one line of ours (a shell may add its own).
void expect_crash(const Outcome& outcome, int signal, const std::string& line) {
  EXPECT_EQ(outcome.code, 128 + signal);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::StartsWith("gpt2run: error: " + line + "\n"));
  EXPECT_EQ(outcome.err.find("gpt2run: ", 1), std::string::npos) << outcome.err;
}

TEST(Rogue, ACrashInCreateIsNamed) {
  expect_crash(run_with("crashes-in-create", "--sampler crashes-in-create"), SIGABRT,
               fixture_file("crashes-in-create").string() + ": crashed when it was created");
}

// Without --loader all loaders are asked what they make of the model.
TEST(Rogue, ALoaderThatCrashesInProbeIsNamed) {
  expect_crash(run_with("crashes-in-probe", ""), SIGSEGV,
               (fixture_folder("crashes-in-probe") / "gpt2run-loader-crashes-in-probe.so").string() +
                   ": crashed when it was asked whether it reads the model");
}

TEST(Rogue, ACreateThatMakesNothingIsOneLine) {
  const std::map<std::string, std::string> usual = {
      {"loader", "huggingface"}, {"precision", "cpu-fp32"}, {"sampler", "rogue"}, {"sink", "null"}};
  for (const auto& [kind, ignored] : usual) {
    std::string command = kBin + "gpt2run -q -n 3 --plugin-dir " + fixture_folder("makes-nothing").string() +
                          " --plugin-dir " + fixture_folder("rogue").string();
    for (const auto& [slot, name] : usual) command += " --" + slot + " " + (slot == kind ? "makes-nothing" : name);
    expect_line(run_program(command),
                kind + " makes-nothing: create() returned null: expected an object, or an Error thrown");
  }
}

TEST(Rogue, ALoaderThatMakesNothingDoesNotKeepTheOthersFromTheModel) {
  const Outcome outcome = run_with("makes-nothing", "--sampler rogue --plugin-dir " + fixture_folder("rogue").string());
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err,
            "gpt2run: warning: loader makes-nothing cannot be asked: loader makes-nothing: create() returned null: "
            "expected an object, or an Error thrown\n");
}

TEST(Rogue, ATokenOutsideTheVocabularyIsTheSamplers) {
  for (const char* token : {"999999", "4096", "-1", "-5"})
    expect_line(run_with("rogue", std::string("--sampler rogue:act=token:token=") + token),
                std::string("sequence 0, position 1: sampler rogue: expected a token in [0, 4096), found ") + token);
}

TEST(Driver, OneThatCrashesIsNamed) {
  const std::string folder = fixture_folder("driver-crashes").string();
  const Outcome outcome =
      run_program("LD_LIBRARY_PATH=" + folder + " " + kBin + "gpt2run -q --precision cuda-fp16 --plugin-dir " +
                  fixture_folder("types").string());
  EXPECT_GT(outcome.code, 128);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::StartsWith("gpt2run: error: libcuda.so.1: crashed when it was opened\n"));
}

}  // namespace
}  // namespace gpt2run::test
