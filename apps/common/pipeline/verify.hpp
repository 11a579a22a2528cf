// Checks the files of a model against sums that were made earlier (--verify). Sums are SHA-256. They stand beside the
// files in the form of the program sha256sum: in a folder as SHA256SUMS, beside a single file FILE as FILE.sha256.
// gpt2convert writes them. The record of a run that was verified has the sums, too.
#pragma once
#include <string>
#include <vector>

#include "common/config/config.hpp"

namespace gpt2run {

constexpr const char* kSumsOfFolder = "SHA256SUMS";
constexpr const char* kSumsOfFile = ".sha256";  // behind the name of the file

// The line of a file in a list of sums.
std::string sum_line(const std::string& sum, const std::string& name);

// Where the configuration has --verify on: reads all files of the model and compares them with the sums beside them,
// with those of a folder of packed weights, and with those of the recorded run that this one repeats; and lets the
// loader check the sums within the files, if it can (its option check_sums). Call it before the loader is created.
// Returns the sums of the model's files, or nothing with --verify off. Warns where there is nothing to compare with;
// with `must`, that is an error. Throws Error naming the file that differs.
std::vector<RecordedFile> verify_model(const Configuration& configuration, BoundPlugin& loader,
                                       const std::string& model, bool must = false);

}  // namespace gpt2run
