// What a user sees of a plugin that does what no plugin may: the lines of gpt2plugins list, show and check and of
// gpt2run. None of them crashes but gpt2run, after a line; each names the plugin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "host/plugin_folders.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

const std::string kBin = std::string(BINARY_DIR) + "/bin/";
constexpr int kCrash = 128;

struct Bad {
  const char* name;     // of a sampler, unless it begins with another kind
  const char* refusal;  // in list and show; "" if they show it like any other
  int code;             // of gpt2run
  const char* run;      // gpt2run's line behind the name of the file or of the plugin
  const char* check;    // a regular expression of a failed check
};

const Bad kBad[] = {
    {"other-abi", "built for contract 3", 1, "built for contract 3", "it opens.*built for contract 3"},
    {"no-create", "has no create", 1, "has no create", "it opens.*has no create"},
    {"no-name", "has no name", 1, "has no name", "it opens.*has no name"},
    {"no-version", "has no version", 1, "has no version", "it opens.*has no version"},
    {"no-summary", "has no summary", 1, "has no summary", "it opens.*has no summary"},
    {"other-kind", "holds sink", 1, "holds sink", "it opens.*holds sink"},
    {"spaced-name", "'spaced name'", 1, "'spaced name'", "it opens.*'spaced name'"},
    {"slash-name", "'../slash-name'", 1, "'../slash-name'", "it opens.*'../slash-name'"},
    {"escape-name", "escape-name", 1, "\\x1b[31mescape-name", "it opens.*x1b.31mescape-name"},
    {"escape-texts", "", 0, "", "are one line: the version has characters .*x1b"},
    {"many-options", "300000 options, expected 256", 1, "300000 options", "it opens.*300000 options"},
    {"null-options", "has no options", 1, "has no options", "it opens.*has no options"},
    {"option-twice", "option k is declared twice", 1, "option k is declared twice", "it opens.*declared twice"},
    {"makes-nothing", "", 1, "create() returned null", "100 objects .*create\\(\\) returned null"},
    {"exits-at-open", "ended the process with status 0", 1, "ended the program when it was opened",
     "it opens.*ended the process with status 0"},
    {"deletes-itself-at-open", "was deleted while it was opened", 1, "was deleted while it was opened",
     "it opens.*was deleted while it was opened"},
    {"throws-at-open", "crashed (Aborted) when it was opened", kCrash + SIGABRT, "there is no place 8",
     "it opens.*crashed .Aborted."},
    {"writes-wild-at-open", "crashed (Segmentation fault)", kCrash + SIGSEGV, "crashed when it was opened",
     "it opens.*crashed .Segmentation fault."},
    {"throws-in-create", "", 1, "there is no place 8", "100 objects .*there is no place 8"},
    {"throws-odd-in-create", "", 1, "something that is no std::exception", "100 objects .*no std::exception"},
    {"throws-in-thread-in-create", "", kCrash + SIGABRT, "nobody catches this", "100 objects .*crashed .Aborted."},
    {"exits-in-create", "", 1, "ended the program when it was created", "100 objects .*with status 0"},
    {"takes-memory-in-create", "", 1, "not enough memory", "100 objects .*std::bad_alloc"},
    {"throws-in-sample", "", 1, "there is no place 8", "finite logits.*there is no place 8"},
    {"throws-odd-in-sample", "", 1, "something that is no std::exception", "finite logits.*no std::exception"},
    {"throws-in-thread-in-sample", "", kCrash + SIGABRT, "nobody catches this", "finite logits.*crashed .Aborted."},
    {"exits-in-sample", "", 1, "ended the program before its work was done", "finite logits.*with status 0"},
    {"quits-in-sample", "", 1, "ended the program before its work was done", "finite logits.*with status 0"},
    {"writes-wild-in-sample", "", kCrash + SIGSEGV, "crashed while its code was running (SIGSEGV)",
     "finite logits.*crashed .Segmentation fault."},
    {"overflows-in-sample", "", kCrash + SIGSEGV, "crashed while its code was running (SIGSEGV)",
     "finite logits.*crashed .Segmentation fault."},
    {"overflows-below-in-sample", "", kCrash + SIGSEGV, "crashed while its code was running (SIGSEGV)",
     "finite logits.*crashed .Segmentation fault."},
    {"overflows-in-thread-in-sample", "", kCrash + SIGSEGV, "crashed while its code was running (SIGSEGV)",
     "finite logits.*crashed .Segmentation fault."},
    {"takes-no-token", "", 1, "999999", "finite logits.* wrote token 999999"},
    {"throws-in-destructor", "", kCrash + SIGABRT, "there is no place 8", "100 objects .*crashed .Aborted."},
    {"sink-writes-wild-in-token", "", kCrash + SIGSEGV, "crashed while its code was running (SIGSEGV)",
     "destroyed within a sequence.*crashed .Segmentation fault."},
    {"sink-throws-odd-in-token", "", 1, "something that is no std::exception", "takes a run.*no std::exception"},
    {"loader-throws-in-open", "", 1, "there is no place 8", "opening an empty path .*there is no place 8"},
    {"loader-opens-nothing", "", 1, "open() returned null", "opening an empty path .*nothing was thrown"},
    {"precision-throws-in-open", "", 1, "there is no place 8", "logits are finite.*there is no place 8"},
    {"precision-opens-nothing", "", 1, "open() returned null", "logits are finite.*open\\(\\) returned null"},
    {"precision-throws-odd-in-step", "", 1, "something that is no std::exception",
     "logits are finite.*no std::exception"},
    {"precision-writes-wild-in-step", "", kCrash + SIGSEGV, "crashed while its code was running (SIGSEGV)",
     "logits are finite.*crashed .Segmentation fault."},
    {"no-symbol", "exports no symbol gpt2run_plugin", 1, "exports no symbol gpt2run_plugin",
     "it opens.*exports no symbol gpt2run_plugin"},
    {"missing-symbol", "needs the symbol gpt2run_defined_nowhere", 1, "needs the symbol gpt2run_defined_nowhere",
     "it opens.*needs the symbol gpt2run_defined_nowhere"},
    {"not-elf", "not a shared library", 1, "not a shared library", "is an ELF library.*not a shared library"},
    {"truncated", "cut short", 1, "cut short", "is an ELF library.*cut short"},
    {"other-machine", "another kind of processor", 1, "another kind of processor",
     "it opens.*another kind of processor"},
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

// The kind and the name of the plugin.
std::pair<std::string, std::string> identity_of(const std::string& name) {
  for (const std::string kind : {"loader", "precision", "sink"})
    if (name.starts_with(kind + "-")) return {kind, name.substr(kind.size() + 1)};
  return {"sampler", name};
}
std::string plain(const std::string& name) { return identity_of(name).second; }

// A copy of the bad plugin by the name of the case, since one of them deletes its file.
fs::path place(const ScratchFolder& scratch, const std::string& name) {
  const auto [kind, own] = identity_of(name);
  const bool is_other = name == "no-symbol" || name == "missing-symbol";
  std::string bytes = read_whole(is_other ? fixture_file(name) : fixture_folder("bad") / "gpt2run-sampler-bad.so");
  if (name == "not-elf") bytes = "no library at all";
  if (name == "truncated") bytes.resize(bytes.size() / 3);
  if (name == "other-machine") bytes.at(18) = '\xb7';  // the machine's number in an ELF header: AArch64
  return scratch.file("gpt2run-" + kind + "-" + own + ".so", bytes);
}

// Neither escape codes nor other characters that move a cursor.
void expect_plain(const std::string& text) {
  for (const char c : text) ASSERT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << text;
}

std::string with(const ScratchFolder& scratch) { return " --plugin-dir " + scratch.path().string(); }

TEST(BadPlugin, List) {
  const ScratchFolder scratch;
  for (const Bad& bad : kBad) place(scratch, bad.name);
  const Outcome outcome = run_program(kBin + "gpt2plugins list --json" + with(scratch));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  std::map<std::string, json> rows;
  const json listed = json::parse(outcome.out);
  for (const json& row : listed.at("plugins"))
    rows[std::string(row.at("kind")) + ":" + std::string(row.at("name"))] = row;
  for (const Bad& bad : kBad) {
    const auto [kind, own] = identity_of(bad.name);
    const json& row = rows[kind + ":" + own];
    EXPECT_EQ(row.contains("refusal"), *bad.refusal != 0) << bad.name;
    EXPECT_THAT(row.value("refusal", ""), HasSubstr(bad.refusal)) << bad.name;
  }
}

TEST(BadPlugin, Table) {
  const ScratchFolder scratch;
  for (const char* name : {"escape-name", "escape-texts"}) place(scratch, name);
  for (const char* command :
       {"gpt2plugins list", "gpt2plugins show escape-texts", "gpt2run --help --sink null --sampler escape-texts",
        "gpt2run -q --explain --sink null --precision cpu-fp32 --sampler escape-texts"}) {
    const Outcome outcome = run_program(kBin + command + with(scratch));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("escape-texts")) << command;
    expect_plain(outcome.out + outcome.err);
  }
}

class Each : public testing::TestWithParam<Bad> {
 protected:
  const ScratchFolder scratch_;
  const Bad& bad_ = GetParam();
};

TEST_P(Each, Show) {
  place(scratch_, bad_.name);
  const Outcome outcome =
      run_program(kBin + "gpt2plugins show " + identity_of(bad_.name).first + ":" + plain(bad_.name) + with(scratch_));
  EXPECT_EQ(outcome.code, *bad_.refusal ? 1 : 0);
  EXPECT_THAT(outcome.err, HasSubstr(std::string_view(bad_.name) == "escape-name" ? "\\x1b[31m" : bad_.refusal));
  expect_plain(outcome.out + outcome.err);
}

TEST_P(Each, Run) {
  const std::string file = place(scratch_, bad_.name).string();
  std::map<std::string, std::string> chosen = {{"precision", "cpu-fp32"}, {"sampler", "argmax"}, {"sink", "null"}};
  chosen[identity_of(bad_.name).first] = plain(bad_.name);
  std::string command = kBin + "gpt2run -q -n 2" + with(scratch_);
  for (const auto& [slot, name] : chosen) command += " --" + slot + " " + name;
  const Outcome outcome = run_program(command);
  EXPECT_EQ(outcome.code, bad_.code) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(bad_.run));
  EXPECT_THAT(outcome.err, HasSubstr(bad_.code ? plain(bad_.name) : ""));
  EXPECT_THAT(outcome.err, testing::StartsWith(bad_.code ? "gpt2run: error: " : ""));
  expect_plain(outcome.out + outcome.err);
}

TEST_P(Each, Check) {
  const std::string file = place(scratch_, bad_.name).string();
  const Outcome outcome = run_program(kBin + "gpt2plugins check " + file);
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.out, testing::ContainsRegex(std::string("not ok [0-9]+ - [^\n]*") + bad_.check));
  EXPECT_THAT(outcome.out, testing::ContainsRegex("\n1\\.\\.[0-9]+\n# [0-9]+ of [0-9]+ failed\n$"));
  EXPECT_THAT(outcome.err, testing::Not(HasSubstr("outside of the code of plugins"))) << "the verdict tells";
  expect_plain(outcome.out);
}

INSTANTIATE_TEST_SUITE_P(Plugins, Each, testing::ValuesIn(kBad), [](const auto& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// What was printed and written is there; the crash comes after it.
TEST(AtEnd, ACrashIsNamed) {
  const ScratchFolder scratch;
  const std::string command = kBin + "gpt2run -q -n 2 --prompt a --sampler ";
  place(scratch, "writes-wild-at-end");
  const Outcome outcome = run_program(command + "writes-wild-at-end" + with(scratch));
  EXPECT_EQ(outcome.code, kCrash + SIGSEGV);
  EXPECT_EQ(outcome.out, run_program(command + "argmax").out);
  EXPECT_THAT(outcome.err, testing::StartsWith("gpt2run: error: "));
  EXPECT_THAT(outcome.err,
              HasSubstr("gpt2run-sampler-writes-wild-at-end.so: crashed while its code was running (SIGSEGV) "
                        "after the program's work was done\n"));
}

// Those that the table has no place for: they take their time, or a line of gpt2run is not what matters.
TEST(Check, StopsWhatNeverReturns) {
  const ScratchFolder scratch;
  for (const char* name : {"never-returns-at-open", "sink-never-returns-in-token"}) {
    const Outcome outcome =
        run_program(kBin + "gpt2run-plugin-check --time-limit 0.2 " + place(scratch, name).string());
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.out, testing::ContainsRegex("not ok [^\n]*: hung, and was stopped after 200 ms\n")) << name;
    EXPECT_THAT(outcome.out, testing::ContainsRegex("\n1\\.\\.[0-9]+\n")) << name;
  }
}

TEST(Check, KeepsItsOutputFromThePlugin) {
  const ScratchFolder scratch;
  const Outcome outcome = run_program(kBin + "gpt2plugins check " + place(scratch, "closes-files-in-create").string());
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, testing::ContainsRegex("not ok 9 - [^\n]*: it closed standard output"));
  EXPECT_THAT(outcome.out, testing::ContainsRegex("\n1\\.\\.9\n"));
}

TEST(Check, LeavesNoTemporaryFileOfACheckThatCrashed) {
  const ScratchFolder scratch, temporary;
  const std::string file = place(scratch, "sink-writes-wild-in-token").string();
  EXPECT_EQ(run_program("TMPDIR=" + temporary.path().string() + " " + kBin + "gpt2plugins check " + file).code, 1);
  EXPECT_TRUE(fs::is_empty(temporary.path()));
}

TEST(Check, WritesJsonOfSeveralPlugins) {
  const ScratchFolder scratch;
  const std::string good = BINARY_DIR "/lib/gpt2run/gpt2run-sampler-argmax.so";
  const std::string bad = place(scratch, "makes-nothing").string();
  const Outcome outcome = run_program(kBin + "gpt2plugins check --json " + good + " " + bad);
  EXPECT_EQ(outcome.code, 1);
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report.at("failed"), 1);
  EXPECT_EQ(report.at("plugins").at(0).at("file"), good);
  EXPECT_EQ(report.at("plugins").at(0).at("failed"), 0);
  EXPECT_EQ(report.at("plugins").at(0).at("checks").at(0).at("result"), "ok");
  EXPECT_EQ(report.at("plugins").at(1).at("checks").back().at("result"), "failed");
  EXPECT_THAT(report.at("plugins").at(1).at("checks").back().at("why"), HasSubstr("returned null"));
  const Outcome lines = run_program(kBin + "gpt2plugins check " + good + " " + bad);
  EXPECT_THAT(lines.out, testing::ContainsRegex("^# " + good + "\nok 1 - .*\n# " + bad + "\nok [0-9]+ - "));
  EXPECT_THAT(lines.out, testing::ContainsRegex("\n1\\.\\.[0-9]+\n# 1 of [0-9]+ failed\n$"));
}

TEST(Check, MistakesAreExitTwo) {
  for (const char* arguments :
       {"", "--time-limit 0 x.so", "--time-limit soon x.so", "--time-limit", "--yaml x.so", "''"})
    EXPECT_EQ(run_program(kBin + "gpt2plugins check " + arguments).code, 2) << arguments;
  EXPECT_THAT(run_program(kBin + "gpt2plugins check --help").out, HasSubstr("usage: gpt2plugins check "));
}

}  // namespace
}  // namespace gpt2run::test
