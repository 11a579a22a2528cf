// A folder of its own for every test, and the calls that core makes on a sink.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gpt2run/sink.hpp"
#include "support/error_of.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

class SinkTest : public testing::Test {
 protected:
  SinkTest() {
    std::string name = testing::TempDir() + "/gpt2run-sink-XXXXXX";
    folder_ = mkdtemp(name.data());
    PluginLog::instance().take();
  }
  ~SinkTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }

  // Names of all files in the folder, hidden ones too, sorted.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  static std::unique_ptr<Sink> sink(const std::string& name, const OptionValues& options) {
    return make_plugin<Sink>(Kind::sink, name, options);
  }

  static void token(Sink& sink, uint64_t sequence, int32_t step, std::string_view text, float logprob = 0,
                    std::span<const float> logits = {}) {
    sink.token({.sequence = sequence,
                .step = step,
                .position = step + 1,
                .id = 100 + step,
                .text = text,
                .logprob = logprob,
                .logits = logits.data(),
                .vocab = static_cast<int32_t>(logits.size()),
                .vocabulary = nullptr});
  }

  std::filesystem::path folder_;
};

}  // namespace gpt2run::test
