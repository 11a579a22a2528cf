// gpt2bench sweep as a user types it: which files there are, whose times they hold, and what is refused.
#include <gmock/gmock.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/shell.hpp"
#include "gpt2run/evaluation/statistics.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::IsRefusal;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kSweep[] = "gpt2bench sweep --model synthetic:L=2,C=48,H=3,F=100,V=301,T=64 --threads 1 --out out ";
constexpr size_t kPrompts = 4, kPromptTokens = 8;  // made up where no file is given
const char* const kPhaseKeys[] = {"copy_to_device", "forward_pass", "copy_to_host", "sampling", "copy_next_token"};

using Rows = std::vector<std::vector<std::string>>;

class Sweep : public Shell {
 protected:
  std::set<std::string> files(const std::string& name) const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder() / name))
      names.insert(entry.path().filename().string());
    return names;
  }
  json timings(const std::string& name) const {
    return json::parse(read_text(folder() / "out" / ("timings_" + name + ".json")));
  }
  Rows table(const std::string& name) const {
    std::istringstream lines(read_text(folder() / "out" / name));
    Rows rows;
    for (std::string line; std::getline(lines, line);) {
      std::vector<std::string>& row = rows.emplace_back();
      for (size_t at = 0, end; at <= line.size(); at = end + 1) {
        end = std::min(line.find(',', at), line.size());
        row.push_back(line.substr(at, end - at));
      }
    }
    return rows;
  }
  // A prompt set as the original wrote it: its header does not say T.
  void write_prompt_set(const std::string& name, size_t t, const std::vector<std::vector<uint16_t>>& rows) const {
    std::vector<int32_t> header(256);
    header[0] = 20240520, header[1] = 1, header[2] = static_cast<int32_t>(rows.size() * t);
    std::string bytes(reinterpret_cast<const char*>(header.data()), 1024);
    for (std::vector<uint16_t> row : rows) {
      row.resize(t, 300);  // the synthetic model's end of text
      bytes.append(reinterpret_cast<const char*>(row.data()), 2 * t);
    }
    write(name, bytes);
  }
};

// Relative, for sums of at most a thousand terms that both sides add up in double.
void expect_near(const std::string& found, double expected) {
  EXPECT_NEAR(std::stod(found), expected, 1e-12 * std::abs(expected));
}

// std: where both sides subtract means that are off by a rounding.
void expect_statistics(const std::vector<std::string>& row, const std::vector<double>& values) {
  expect_near(row[4], mean_of(values));
  expect_near(row[5], quantile_of(sorted(values), 0.5));
  EXPECT_NEAR(std::stod(row[6]), standard_deviation_of(values), 1e-12 * mean_of(values));
  EXPECT_EQ(row[7], std::to_string(values.size()));
}

TEST_F(Sweep, EveryLengthPrecisionAndPlacementHasItsFileAndItsRows) {
  const Outcome done = run(std::string(kSweep) + "-q --t 16,32 --precision fp32,bf16");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  std::set<std::string> expected{"manifests", "timings.csv", "positions.csv"};
  std::map<std::string, Rows> by_run;
  for (const std::vector<std::string>& row : table("timings.csv"))
    by_run[row[1] + "_" + row[0] + "_" + row[2]].push_back(row);
  EXPECT_EQ(by_run["placement_precision_T"],
            (Rows{{"precision", "placement", "T", "key", "mean", "median", "std", "count", "total"}}));
  for (const char* precision : {"FP32", "BF16"}) {
    for (const size_t length : {16, 32}) {
      for (const char* placement : {"host", "device"}) {
        const std::string name = std::string(placement) + "_" + precision + "_" + std::to_string(length);
        expected.insert("timings_" + name + ".json");
        const json times = timings(name);
        ASSERT_EQ(times.size(), 1 + std::size(kPhaseKeys));
        const Rows& rows = by_run.at(name);
        ASSERT_EQ(rows.size(), 3 + std::size(kPhaseKeys)) << name;
        EXPECT_EQ(rows[0][3], "model_initialization");
        EXPECT_EQ(rows[0][6], "") << "one value has no deviation";
        const double opening = times.at("model_initialization")[0].get<double>();  // of a summary with six digits
        EXPECT_NEAR(std::stod(rows[0][4]), opening, 1e-5 * opening);
        for (size_t i = 0; i < std::size(kPhaseKeys); ++i) {
          const auto values = times.at(kPhaseKeys[i]).get<std::vector<double>>();
          EXPECT_EQ(values.size(), kPrompts * (1 + length - kPromptTokens)) << name;
          EXPECT_EQ(rows[1 + i][3], kPhaseKeys[i]);
          // The file has 32-bit floats in their shortest decimals.
          EXPECT_NEAR(std::stod(rows[1 + i][4]), mean_of(values), 1e-6 * mean_of(values)) << name;
          EXPECT_EQ(rows[1 + i][7], std::to_string(values.size()));
        }
        EXPECT_EQ(rows[6][3], "prompt");
        EXPECT_EQ(rows[6][7], std::to_string(kPrompts));
        EXPECT_EQ(rows[7][3], "token");
        EXPECT_EQ(rows[7][7], std::to_string(kPrompts * (length - kPromptTokens)));
        double total = 0;
        for (const char* key : kPhaseKeys) total += mean_of(times.at(key).get<std::vector<double>>());
        total *= static_cast<double>(kPrompts * (1 + length - kPromptTokens));
        EXPECT_NEAR(std::stod(rows[6][8]) + std::stod(rows[7][8]), total, 1e-6 * total) << "no pass is lost";
        EXPECT_THAT(done.out, HasSubstr(std::string("\n") + precision + "       " + placement));
      }
    }
  }
  EXPECT_EQ(files("out"), expected);
}

TEST_F(Sweep, TablesSayWhatTheFilesHold) {
  ASSERT_EQ(run(std::string(kSweep) + "-q --t 16 --precision fp32 --sampler argmax --recompute").code, 0);
  const json times = timings("host_FP32_16");
  std::vector<double> whole(kPrompts * (16 - kPromptTokens));  // recomputed: a pass for each token, none for prompts
  for (const char* key : kPhaseKeys) {
    ASSERT_EQ(times.at(key).size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) whole[i] += times.at(key)[i].get<float>();
  }
  const Rows rows = table("timings.csv");
  ASSERT_EQ(rows.size(), 1 + 8u);
  EXPECT_EQ(rows[7], (std::vector<std::string>{"FP32", "host", "16", "prompt", "", "", "", "0", ""}));
  expect_statistics(rows[8], whole);
  const Rows positions = table("positions.csv");
  ASSERT_EQ(positions.size(), 1 + (16 - kPromptTokens));
  EXPECT_EQ(positions[0],
            (std::vector<std::string>{"precision", "placement", "T", "position", "mean", "median", "std", "count"}));
  for (size_t position = kPromptTokens; position < 16; ++position) {
    std::vector<double> values;
    for (size_t i = position - kPromptTokens; i < whole.size(); i += 16 - kPromptTokens) values.push_back(whole[i]);
    const std::vector<std::string>& row = positions[1 + position - kPromptTokens];
    EXPECT_EQ(row[3], std::to_string(position));
    expect_statistics(row, values);
  }
}

// A host sampler behind a device needs a copy of the logits, a device's own none: so the times tell whose they are.
TEST_F(Sweep, TimesOfTheHostSamplerAreCalledHost) {
  const Outcome done = run(std::string(kSweep) + "-q --t 16 --precision fake --plugin-dir " CONTRACT
                                                 " --sampler device-nucleus --sampler nucleus");
  ASSERT_EQ(done.code, 0) << done.err;
  const auto copies = [&](const std::string& name) {
    const json times = timings(name);
    double sum = 0;
    for (const char* key : {"copy_to_host", "copy_next_token"})
      for (const json& time : times.at(key)) sum += time.get<double>();
    return sum;
  };
  EXPECT_GT(copies("host_FAKE_16"), 0);
  EXPECT_EQ(copies("device_FAKE_16"), 0);
  const auto asked = [&](const std::string& name) {
    const json manifest = json::parse(read_text(folder() / "out/manifests" / name));
    for (const json& plugin : manifest.at("plugins"))
      if (plugin.at("kind") == "sampler") return plugin.at("asked").get<std::string>();
    return std::string("nothing");
  };
  EXPECT_EQ(asked("host_FAKE_16.json"), "nucleus");
  EXPECT_EQ(asked("device_FAKE_16.json"), "device-nucleus");
}

TEST_F(Sweep, PromptSetsAreNamedByTheirLengthAndOptionsReachEveryRun) {
  write_prompt_set("prompt_16.bin", 16, {{1, 2, 3}, {4}});
  write_prompt_set("prompt_24.bin", 24, {{5, 6}});
  const Outcome done = run(std::string(kSweep) +
                           "--t 16,24 --prompts 'prompt_{t}.bin' --precision fp32,bf16 "
                           "--sampler nucleus --nucleus.top_k 3 --precision.isa portable --seed 7");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(timings("host_BF16_16").at("sampling").size(), (1u + 13) + 15);
  EXPECT_EQ(timings("host_BF16_24").at("sampling").size(), 1u + 22);
  const std::string manifest = read_text(folder() / "out/manifests/host_BF16_24.json");
  EXPECT_THAT(manifest, HasSubstr("\"seed\": 7"));
  EXPECT_THAT(manifest, HasSubstr("\"top_k\": 3"));
  EXPECT_THAT(manifest, HasSubstr("\"isa\": \"portable\""));
  EXPECT_EQ(run("gpt2run -q --config out/manifests/host_BF16_24.json --sink null").code, 0);
  EXPECT_THAT(done.err, HasSubstr("gpt2bench: timings: wrote out/timings_host_FP32_16.json\n"));
}

TEST_F(Sweep, LengthsAreTheOriginalsAsFarAsTheContextReaches) {
  ASSERT_EQ(run(std::string(kSweep) + "-q --precision fp32 --sampler argmax").code, 0);
  EXPECT_EQ(files("out/manifests"), std::set<std::string>{"host_FP32_64.json"});
}

TEST_F(Sweep, RefusesInOneLineBeforeTheFirstRun) {
  write("long.txt", "x");
  write("long.jsonl", "{\"tokens\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}\n");
  struct Case {
    const char* options;
    test::Words words;
    int code;
  };
  const Case cases[] = {
      {"--t 16,x", {"--t", "\"16,x\""}, 2},
      {"--t 1", {"--t", "[2, 1048576]"}, 2},
      {"--t 32,65", {"--t", "64"}, 2},
      {"--t 16,32,16", {"--t", "16"}, 2},
      {"--t 16 --sampler argmax --sampler nucleus", {"argmax", "nucleus", "host"}, 2},
      {"--t 16 --precision fp32,cpu-fp32", {"fp32", "cpu-fp32", "FP32"}, 2},
      {"--t 16 --sampler argmax,nucleus", {"--sampler", "argmax"}, 2},
      {"--t 16 --precision fp32,fp33", {"\"fp33\""}, 2},
      {"--t 16 --prompts -", {"--prompts"}, 2},
      {"--t 16,24 --prompts nothing_{t}.bin", {"--prompts", "\"nothing_16.bin\""}, 1},
      {"--t 16,12 --prompts long.jsonl", {"long.jsonl:1", "12"}, 1},
      {"--t 16 --sink null", {"--sink"}, 2},
      {"--t 16 --n-gen 3", {"--n-gen"}, 2},
      {"--t 16 --batch 2", {"--batch"}, 2},
      {"--t 16 --config x.ini", {"--config"}, 2},
      {"--t 16 --hepl", {"--hepl"}, 2},
      {"16", {"\"16\""}, 2},
      {"--t 16 --nucleus.top_p 2 --sampler nucleus", {"--nucleus.top_p", "(0, 1]", "\"2\""}, 2},
  };
  for (const Case& one : cases) {
    const Outcome done = run(std::string(kSweep) + "-q " + one.options);
    EXPECT_THAT(done, IsRefusal(one.code, one.words)) << one.options;
    EXPECT_EQ(entries(), 2u) << one.options;
  }
  const Outcome file = run("gpt2bench sweep -q --model synthetic:L=1,C=16,H=2,V=20,T=64 --t 16 --out long.txt");
  EXPECT_THAT(file, IsRefusal(1, "long.txt"));
  EXPECT_EQ(entries(), 2u);
}

TEST_F(Sweep, WhatFailsLaterLeavesWholeFilesOnly) {
  std::filesystem::create_directories(folder() / "out/timings_device_FP32_16.json/taken");
  const Outcome done = run(std::string(kSweep) + "-q --t 16 --precision fp32");
  EXPECT_THAT(done, IsRefusal(1, "out/timings_device_FP32_16.json"));
  EXPECT_EQ(timings("host_FP32_16").size(), 1 + std::size(kPhaseKeys));
  EXPECT_EQ(files("out"),
            (std::set<std::string>{"manifests", "timings_device_FP32_16.json", "timings_host_FP32_16.json"}));
  EXPECT_EQ(files("out/manifests"), std::set<std::string>{"host_FP32_16.json"});
}

TEST_F(Sweep, AnInterruptedOneTakesItsFilesBack) {
  const Outcome done =
      run_interrupted("gpt2bench sweep -q --model synthetic:L=12,C=256,H=4,V=1000,T=1024 --t 1024 --out out");
  EXPECT_THAT(done.err, StartsWith("gpt2bench: error: interrupted in host_FP32_1024"));
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(entries(), 0u);
  ASSERT_TRUE(std::filesystem::create_directories(folder() / "q/out"));
  EXPECT_EQ(
      run_interrupted("gpt2bench sweep -q --model synthetic:L=12,C=256,H=4,V=1000,T=1024 --t 1024 --out q/out").code,
      1);
  EXPECT_EQ(entries(), 2u) << "folders that were there stay, empty or not";
}

TEST_F(Sweep, ItsTablesDoNotReplaceWhatIsRead) {
  std::filesystem::create_directories(folder() / "out");
  for (const char* name : {"out/timings.csv", "out/positions.csv"}) {
    write(name, "a prompt\n");
    const Outcome done = run(std::string(kSweep) + "-q --t 16 --prompts " + name);
    EXPECT_THAT(done, IsRefusal(2, "--out", in_quotes(name), "--prompts"));
    EXPECT_EQ(read_text(folder() / name), "a prompt\n");
    EXPECT_EQ(files("out"), std::set<std::string>{std::filesystem::path(name).filename().string()});
    std::filesystem::remove(folder() / name);
  }
}

}  // namespace
}  // namespace gpt2run
