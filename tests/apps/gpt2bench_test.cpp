// gpt2bench as a user types it: what it prints and writes, and what it refuses. Speeds themselves are never judged.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::HasMessage;
using test::IsRefusal;
using testing::HasSubstr;

constexpr char kTiny[] =
    "gpt2bench --model synthetic:L=2,C=48,H=3,F=100,V=301,T=64 --prompt_tokens 16 --new_tokens 4 --batch 2 "
    "--repetitions 3 --read_mb 2 ";
// Of the model above: every weight but wpe, and the head in place of wte.
constexpr double kC = 48, kF = 100, kV = 301, kNorm = 2 * kC;
constexpr double kLayer = 2 * kNorm + (3 * kC * kC + 3 * kC) + (kC * kC + kC) + (kF * kC + kF) + (kC * kF + kC);
// Operations of a row of its prefill of 16: matrices, what a row sees in the mean, the logits of the last one.
constexpr double kMatrices = 2 * (4 * kC * kC + 2 * kF * kC);
constexpr double kOperations = 2 * kMatrices + 4 * 2 * kC * (16 + 1) / 2 + 2 * kV * kC / 16;
constexpr double kWeights = 2 * kLayer + kNorm + kV * kC;

class Gpt2bench : public Shell {};

const char* const kMeasures[] = {"cold_start", "memory", "prefill", "decode", "decode_long", "decode_batch"};

void expect_spread(const json& row, size_t count) {
  ASSERT_EQ(row.at("samples").size(), count) << row;
  for (const json& sample : row.at("samples")) {
    EXPECT_GE(sample.get<double>(), row.at("least").get<double>());
    EXPECT_LE(sample.get<double>(), row.at("greatest").get<double>());
  }
  EXPECT_LE(row.at("least").get<double>(), row.at("median").get<double>());
  EXPECT_LE(row.at("median").get<double>(), row.at("greatest").get<double>());
}

TEST_F(Gpt2bench, EveryPrecisionHasEveryMeasure) {
  const Outcome done = run(std::string(kTiny) + "-q --precision fp32,bf16 --threads 1,2 --passes 2 --json all.json");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  EXPECT_THAT(done.out, HasSubstr("\nOF BANDWIDTH: "));
  EXPECT_THAT(done.out, HasSubstr("\nMFLOP PER TOKEN: "));
  EXPECT_THAT(done.out, HasSubstr("; OF COMPUTE: "));
  const json all = json::parse(read_text(folder() / "all.json"));
  EXPECT_EQ(all.at("model"), "synthetic:L=2,C=48,H=3,F=100,V=301,T=64");
  ASSERT_EQ(all.at("bandwidth").size(), 2u);
  for (const json& row : all.at("bandwidth")) {
    EXPECT_GT(row.at("least").get<double>(), 0) << row;
    expect_spread(row, 3 * 2);  // rounds, once before each precision
  }
  for (const json& row : all.at("compute")) {
    EXPECT_GT(row.at("least").get<double>(), 0) << row;
    expect_spread(row, all.at("compute").size() == 2 ? 3 * 2 : 3);  // without dot products, bf16 is held against fp32's
  }
  const json& rows = all.at("results");
  ASSERT_EQ(rows.size(), 2u * 2 * std::size(kMeasures));
  size_t at = 0;
  for (const char* precision : {"fp32", "bf16"}) {
    for (const int threads : {1, 2}) {
      for (const char* measure : kMeasures) {
        const json& row = rows[at++];
        EXPECT_EQ(row.at("precision"), precision);
        EXPECT_EQ(row.at("plugin"), std::string("cpu-") + precision);
        EXPECT_EQ(row.at("threads"), threads);
        EXPECT_EQ(row.at("measure"), measure);
        const bool once = measure == kMeasures[0] || measure == kMeasures[1];
        expect_spread(row, once ? 3 : 3 * 2);
        EXPECT_THAT(done.out,
                    HasSubstr(std::string(precision) + "       " + std::to_string(threads) + "        " + measure));
      }
    }
  }
}

TEST_F(Gpt2bench, SharesAreOfTheBandwidthOfTheSameRun) {
  const Outcome done = run(std::string(kTiny) + "-q --precision fp32,fp16 --threads 1 --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  const json all = json::parse(done.out);
  const double bandwidth = all.at("bandwidth")[0].at("median").get<double>() * 1e9;
  for (const json& row : all.at("results")) {
    const std::string measure = row.at("measure");
    if (!measure.starts_with("decode")) {
      EXPECT_TRUE(row.at("weight_bytes_per_token").is_null() && row.at("of_bandwidth").is_null()) << row;
      continue;
    }
    const double bytes = kWeights * (row.at("precision") == "fp32" ? 4 : 2) / (measure == "decode_batch" ? 2 : 1);
    EXPECT_EQ(row.at("weight_bytes_per_token").get<double>(), bytes) << row;
    EXPECT_NEAR(row.at("of_bandwidth").get<double>(), bytes * row.at("median").get<double>() / bandwidth, 1e-9) << row;
  }
}

TEST_F(Gpt2bench, PrefillIsAShareOfTheComputeRateOfTheSameRun) {
  const Outcome done = run(std::string(kTiny) + "-q --precision fp16,bf16,reference --threads 1 --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  const json all = json::parse(done.out);
  const json& rates = all.at("compute");
  ASSERT_FALSE(rates.empty());
  EXPECT_EQ(rates[0].at("arithmetic"), "fp32") << "of fp16";
  EXPECT_TRUE(rates.back().at("arithmetic").get<std::string>().starts_with(rates.size() > 1 ? "bf16_" : "fp32"))
      << rates;
  for (const json& row : all.at("results")) {
    if (row.at("measure") != "prefill") {
      EXPECT_TRUE(row.at("operations_per_token").is_null() && row.at("of_compute").is_null()) << row;
      continue;
    }
    const json& rate = row.at("precision") == "bf16" ? rates.back() : rates[0];
    const double share = kOperations * row.at("median").get<double>() / (rate.at("median").get<double>() * 1e9);
    EXPECT_EQ(row.at("operations_per_token").get<double>(), kOperations) << row;
    EXPECT_NEAR(row.at("of_compute").get<double>(), share, 1e-9 * share) << row;
  }
}

TEST_F(Gpt2bench, DecodesAreCellsOfContextAndSequences) {
  const Outcome done = run(std::string(kTiny) + "-q --precision fp32,bf16 --threads 1 --decode 16x3,64x1 --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  const json all = json::parse(done.out);
  EXPECT_TRUE(all.at("results").empty() && all.at("bandwidth").empty()) << "in place of all else";
  const json& cells = all.at("decodes");
  ASSERT_EQ(cells.size(), 2u * 2 * 2);
  size_t at = 0;
  for (const char* precision : {"fp32", "bf16"}) {
    for (const auto& [context, sequences] : {std::pair(16, 3), std::pair(64, 1)}) {
      for (const char* way : {"loop", "repeat"}) {
        const json& cell = cells[at++];
        EXPECT_EQ(cell.at("precision"), precision);
        EXPECT_EQ(cell.at("context"), context);
        EXPECT_EQ(cell.at("sequences"), sequences);
        EXPECT_EQ(cell.at("way"), way);
        expect_spread(cell, 3);
        const double positions = context - 4 + 2.5;  // four new tokens see the prompt and 1, 2, 3 and 4 more
        const double bytes = (precision[0] == 'f' ? 4 : 2) * (kWeights + 2 * 2 * kC * positions * sequences);
        const double steps = cell.at("median").get<double>() / sequences;
        EXPECT_NEAR(cell.at("gb_per_s").get<double>(), bytes * steps * 1e-9, bytes * steps * 1e-15) << cell;
      }
    }
  }
}

// The example of the help with every option at its default but the model, which is one of the same context.
TEST_F(Gpt2bench, TheExampleOfDecodeIsOneThatWorks) {
  const std::string help = run("gpt2bench --help").out, before = "by context and sequences, as ";
  const size_t begin = help.find(before) + before.size();
  const std::string example = help.substr(begin, help.find(", in place", begin) - begin);
  const Outcome done =
      run("gpt2bench -q --model synthetic:L=1,C=16,H=2,F=20,V=30,T=1024 --precision fp32 "
          "--threads 1 --repetitions 1 --json - --decode " +
          example);
  ASSERT_EQ(done.code, 0) << example << done.err;
  EXPECT_EQ(json::parse(done.out).at("decodes").size(), 2u * 2) << example;
}

TEST_F(Gpt2bench, ADeviceIsForPrecisionsThatHaveOne) {
  const Outcome done = run(std::string(kTiny) + "--precision fp32 --threads 1 --device 1 --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasMessage("gpt2bench: warning", "--device 1", "cpu-fp32"));
}

TEST_F(Gpt2bench, PluginsTakeOptionsOneByOne) {
  const Outcome done = run(std::string(kTiny) + "-q --precision fp32,cpu-fp32:isa=portable --threads 1 --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  const json all = json::parse(done.out);
  EXPECT_EQ(all.at("results").back().at("precision"), "cpu-fp32:isa=portable");
  EXPECT_EQ(all.at("results").back().at("plugin"), "cpu-fp32");
}

// The reference rounds to a type and stores floats: what is read is what counts, not the name.
TEST_F(Gpt2bench, WeightsAreAsTheSessionStoresThem) {
  const Outcome done = run(std::string(kTiny) + "-q --precision reference:type=bf16 --threads 1 --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  const json all = json::parse(done.out);
  size_t found = 0;
  for (const json& row : all.at("results"))
    if (row.at("measure") == "decode") {
      EXPECT_EQ(row.at("weight_bytes_per_token").get<double>(), 4 * kWeights);
      ++found;
    }
  EXPECT_EQ(found, 1u);
}

// A chain means what it means to gpt2run: without a selector it gets one.
TEST_F(Gpt2bench, TheSamplerMayBeAChain) {
  const Outcome done = run(std::string(kTiny) + "--precision fp32,bf16 --threads 1 --sampler top-k --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out).at("sampler"), "top-k,nucleus");
  EXPECT_THAT(done.err, HasMessage("gpt2bench", "nucleus", "top_k 0"));
  EXPECT_THAT(done.err, HasSubstr("gpt2bench: precision fp32, bf16: "));  // one line for both
}

// A process that is bound to a processor has that one.
TEST_F(Gpt2bench, CountsTheProcessorsItMayUse) {
  const Outcome done = run(std::string("taskset -c 0 ") + kTiny + "--precision fp32 --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out).at("processors"), 1);
}

TEST_F(Gpt2bench, ASignalEndsItWithOneLine) {
  for (const char* options : {"", "--decode 1000x4 "}) {
    const Outcome done = run_interrupted(std::string("gpt2bench -q --model synthetic:L=12,C=256,H=4,V=1000,T=1024 "
                                                     "--read_mb 2 --repetitions 1000 --json a ") +
                                         options);
    EXPECT_THAT(done, IsRefusal(1, "gpt2bench"));
    EXPECT_EQ(entries(), 0u);
  }
}

TEST_F(Gpt2bench, RefusesInOneLine) {
  const std::pair<const char*, test::Words> cases[] = {
      {"--threads 1,x", {"--threads", "\"1,x\""}},
      {"--threads 1025", {"--threads", "[0, 1024]", "\"1025\""}},
      {"--prompt_tokens 61", {"--prompt_tokens", "64"}},
      {"--repetitions 0", {"--repetitions", "[1, 1000]", "\"0\""}},
      {"--sampler argmax,argmax", {"--sampler", "argmax"}},
      {"hello", {"\"hello\"", "--help"}},
      {"--decode 16x1,32x1,16x1 --new_tokens 4", {"--decode", "16x1"}},
      {"--hepl", {"--hepl", "--help"}},
      {"--decode 16", {"--decode", "128x1,1024x8"}},
      {"--decode 16x0", {"--decode", "128x1,1024x8"}},
      {"--device 1025", {"--device", "[0, 1024]", "\"1025\""}},
      {"--decode 65x1", {"--decode", "64", "65"}},
  };
  for (const auto& [options, words] : cases) {
    const std::string command =
        std::string("gpt2bench -q --model synthetic:L=1,C=16,H=2,V=20,T=64 --json no.json ") + options;
    const Outcome done = run(command);
    EXPECT_THAT(done, IsRefusal(2, words)) << options;
    EXPECT_EQ(entries(), 0u) << options;
  }
  EXPECT_THAT(run("gpt2bench -q --model /nothing/here"), IsRefusal(1, "model /nothing/here"));
  EXPECT_THAT(run(std::string(kTiny) + "-q --json " + folder().string()), IsRefusal(1, folder().string()));
}

}  // namespace
}  // namespace gpt2run
