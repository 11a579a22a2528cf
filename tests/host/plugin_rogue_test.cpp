// What a plugin may not do to the program that opens it: exit, throw what is no exception, choose what is no token.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  for (const char* act : {"exit_in_create", "exit"})
    expect_line(run_with("rogue", std::string("--sampler rogue:act=") + act),
                "a plugin ended the program before its work was done");
}

TEST(Rogue, AnExitIsNoPassedCheck) {
  const Outcome outcome = run_program(kBin + "gpt2run-plugin-check " + fixture_file("quits").string());
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, testing::StartsWith("ok 1 - "));
  EXPECT_EQ(outcome.out.find("1.."), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.err, "gpt2run-plugin-check: error: a plugin ended the program before its work was done\n");
}

TEST(Rogue, WhatIsThrownAndNoExceptionIsOneLine) {
  for (const char* act : {"throw_in_create", "throw"})
    expect_line(run_with("rogue", std::string("--sampler rogue:act=") + act),
                "a plugin threw something that is no std::exception");
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
