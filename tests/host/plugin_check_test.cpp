// The conformance kit: it passes what keeps the contract and names the promise that a plugin breaks.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

#include "host/elf_file.hpp"
#include "host/plugin_folders.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

namespace fs = std::filesystem;

const std::string kChecker = std::string(BINARY_DIR) + "/bin/gpt2run-plugin-check ";

Outcome check(const fs::path& file) { return run_program(kChecker + file.string()); }

struct Broken {
  const char* name;     // <kind>-<name>
  const char* promise;  // what its line says
};

class Breach : public testing::TestWithParam<Broken> {};

TEST_P(Breach, IsNamed) {
  const Outcome outcome = check(fixture_folder("breaches") / ("gpt2run-" + std::string(GetParam().name) + ".so"));
  EXPECT_EQ(outcome.code, 1) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, testing::ContainsRegex(std::string("not ok [0-9]+ - ") + GetParam().promise));
}

INSTANTIATE_TEST_SUITE_P(
    Plugins, Breach,
    testing::Values(Broken{"sampler-reads-padding", "a dropped token is never chosen"},
                    Broken{"sampler-hangs-on-slot", "a row gives the same alone"},
                    Broken{"sampler-remembers", "earlier calls change nothing"},
                    Broken{"sampler-edits-logits", ".*it changed logits"},
                    Broken{"sampler-takes-nan", "a row with NaN gives kNone"},
                    Broken{"sampler-writes-beside", ".*it wrote tokens beside its own"},
                    Broken{"sampler-takes-dropped", "a dropped token is never chosen"},
                    Broken{"sampler-writes-keys", ".*it wrote keys"},
                    Broken{"sampler-keeps-session", "prepare.. makes it work in another session"},
                    Broken{"sampler-ignores-options", "options by slot: as if created so"},
                    Broken{"sampler-configures-all", "options by slot: as if created so"},
                    Broken{"sampler-keeps-options", "options by slot: as if created so"},
                    Broken{"sampler-reads-options-late", ".*options of configure.. after the call"},
                    Broken{"sampler-throws-no-error", "options by slot: .*no options here"},
                    Broken{"sampler-frozen-options.test", "options by slot: what was recorded"},
                    Broken{"sink-litters", "destroyed without end.*tokens.txt"},
                    Broken{"precision-drifts", "run: the same bits"},
                    Broken{"precision-sees-neighbours", "batch: the same bits"},
                    Broken{"precision-sees-chunks", "prefill: the same bits"},
                    Broken{"precision-takes-any-body.test", "repeat.. refuses bodies of two steps"}),
    [](const auto& info) {
      std::string name = info.param.name;
      for (const char mark : {'-', '.'}) std::replace(name.begin(), name.end(), mark, '_');
      return name;
    });

TEST(Checker, PassesWhatBreaksNothing) {
  for (const char* name : {"gpt2run-sampler-keeps-all.so", "gpt2run-precision-keeps-all.so",
                           "gpt2run-sampler-options-there.test.so", "gpt2run-precision-fake.test.so"}) {
    const Outcome outcome = check(fixture_folder("breaches") / name);
    EXPECT_EQ(outcome.code, 0) << outcome.out;
    EXPECT_THAT(outcome.out, testing::ContainsRegex("1\\.\\.[0-9]+\n$"));
  }
}

// ctest takes the last line as skipped: it comes only where nothing failed and nothing of the kind was looked at.
TEST(Checker, SaysThatAPluginDidNotRun) {
  const std::string last = "# skipped: gpt2run-sampler-never-runs.so: ";
  const Outcome outcome = check(fixture_file("never-runs"));
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  EXPECT_THAT(outcome.out, testing::ContainsRegex("\n1\\.\\.[0-9]+\n" + last + "[^\n]+\n$"));
  EXPECT_THAT(check(fixture_folder("breaches") / "gpt2run-sampler-keeps-all.so").out,
              testing::Not(testing::HasSubstr("# skipped: ")));
  const Outcome failed = check(fixture_folder("types") / "gpt2run-precision-cpu-bf16.so");
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.out, testing::Not(testing::HasSubstr("# skipped: ")));
}

// On the way to refusing all options a sampler passes, and the line says so.
TEST(Checker, TakesNoOptionsOfARequestForAnAnswer) {
  const Outcome outcome = check(std::string(BINARY_DIR) + "/tests/contract/gpt2run-sampler-second-best.so");
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  EXPECT_THAT(outcome.out, testing::ContainsRegex("ok [0-9]+ - options by slot: [^\n]*# SKIP it takes no options"));
}

// A sampler of a device needs a precision of its memory.
TEST(Checker, SaysThatNoPrecisionLendsItsMemory) {
  const ScratchFolder scratch;
  const fs::path copy = scratch.path() / "gpt2run-sampler-options-there.test.so";
  fs::copy_file(fixture_folder("breaches") / copy.filename(), copy);
  const Outcome outcome = check(copy);
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  EXPECT_THAT(outcome.out, testing::HasSubstr("\n# skipped: gpt2run-sampler-options-there.test.so: there is no "
                                              "precision whose test memory it could work in"));
}

TEST(Checker, NamesWhatIsWrongWithAFile) {
  const ScratchFolder scratch;
  EXPECT_THAT(check(scratch.file("gpt2run-sampler-text.so", "plain text")).out, testing::HasSubstr("not ok 1"));
  EXPECT_THAT(check(fixture_file("wrong-name")).out, testing::HasSubstr("holds sampler 'right-name'"));
  EXPECT_THAT(check(fixture_file("no-symbol")).out, testing::ContainsRegex("not ok 2 .*gpt2run_fixture_answer"));
  EXPECT_THAT(check(fixture_file("bad-range")).out, testing::HasSubstr("1 to 3"));
  EXPECT_EQ(run_program(kChecker).code, 2);
}

TEST(Checker, ACreateThatMakesNothingIsAFailedCheck) {
  for (const char* kind : {"loader", "precision", "sampler", "sink"}) {
    const Outcome outcome =
        check(fixture_folder("makes-nothing") / ("gpt2run-" + std::string(kind) + "-makes-nothing.so"));
    EXPECT_EQ(outcome.code, 1) << kind;
    EXPECT_THAT(outcome.out, testing::ContainsRegex("not ok [0-9]+ - 100 objects with default options come and go: "
                                                    "create\\(\\) returned null"));
    EXPECT_THAT(outcome.out, testing::ContainsRegex("\n1\\.\\.[0-9]+\n"))
        << "the report has no plan: it died on the way";
  }
}

// A checker that waits for the pipe would be stopped by the time limit.
TEST(Checker, SaysWhatIsNoLibraryInOneLine) {
  const ScratchFolder scratch;
  const fs::path pipe = scratch.path() / "gpt2run-sampler-pipe.so";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(run_program("timeout 10 " + kChecker + pipe.string()).out,
              testing::HasSubstr("pipe.so: not a regular file"));
  const fs::path folder = scratch.folder("gpt2run-sampler-folder.so");
  EXPECT_THAT(check(folder).out, testing::HasSubstr("folder.so: not a regular file"));
  EXPECT_THAT(check(scratch.path() / "gpt2run-sampler-no.so").out, testing::HasSubstr("No such file or directory"));
  EXPECT_EQ(run_program(kChecker + "''").code, 2);
}

TEST(Checker, AReportThatCannotBeWrittenIsAnError) {
  const fs::path file = fixture_folder("breaches") / "gpt2run-sampler-keeps-all.so";
  const Outcome outcome = run_program(kChecker + file.string() + " >/dev/full");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, testing::HasSubstr("standard output cannot be written"));
}

TEST(Checker, NamesAFewOfAThousandSymbols) {
  const ScratchFolder scratch;
  const std::string place = run_program("ldd " + kChecker + "| sed -n 's/.*libstdc++.* => \\([^ ]*\\) .*/\\1/p'").out;
  const fs::path library = place.substr(0, place.find('\n')), copy = scratch.path() / "gpt2run-sampler-other.so";
  ASSERT_TRUE(fs::exists(library)) << place;
  fs::copy_file(library, copy);
  const Outcome outcome = check(copy);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, testing::ContainsRegex("not ok 2 .* and [0-9]+ others"));
  EXPECT_LT(outcome.out.size(), 3000u);
}

// Each of a thousand symbols has the whole table of names for its name.
TEST(Elf, TheNamesOfALibraryAreBounded) {
  constexpr size_t kSymbols = 1000, kNames = 100'000;
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64, header.e_ident[EI_DATA] = ELFDATA2LSB, header.e_type = ET_DYN;
  header.e_shoff = sizeof header, header.e_shnum = 2;
  Elf64_Shdr sections[2] = {};
  sections[0].sh_type = SHT_DYNSYM, sections[0].sh_link = 1, sections[0].sh_size = kSymbols * sizeof(Elf64_Sym);
  sections[0].sh_offset = sizeof header + sizeof sections;
  sections[1].sh_offset = sections[0].sh_offset + sections[0].sh_size, sections[1].sh_size = kNames;
  Elf64_Sym symbol{};
  symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), symbol.st_shndx = 1;
  const auto bytes = [](const auto& what) { return std::string(reinterpret_cast<const char*>(&what), sizeof what); };
  std::string file = bytes(header) + bytes(sections);
  for (size_t i = 0; i < kSymbols; ++i) file += bytes(symbol);
  const ScratchFolder scratch;
  const fs::path path = scratch.file("gpt2run-sampler-long.so", file + std::string(kNames, 'x') + '\0');
  EXPECT_THAT(error_of([&] { read_elf(path); }), testing::HasSubstr("long.so: has more than 67108864 bytes of names"));
}

TEST(Checker, FindsFixedRunPathsOutsideABuildTree) {
  const ScratchFolder scratch;
  const fs::path copy = scratch.path() / "gpt2run-sampler-borrowed.so";
  fs::copy_file(fixture_file("borrowed"), copy);
  EXPECT_THAT(check(copy).out, testing::ContainsRegex("not ok [0-9]+ - it looks for libraries in no fixed folder"));
}

// Whoever wrote it and whatever compiled it: nvcc's modules are linked by other rules than those of the C++ compiler.
TEST(BuildTree, EveryModuleExportsItsDescriptorAndNothingElse) {
  int modules = 0;
  for (const fs::path folder : {BINARY_DIR "/lib/gpt2run", BINARY_DIR "/tests/cuda"}) {
    if (!fs::exists(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() != ".so") continue;
      EXPECT_THAT(read_elf(entry.path()).exported, testing::ElementsAre("gpt2run_plugin")) << entry.path();
      ++modules;
    }
  }
  EXPECT_GE(modules, 1) << "nothing was looked at";
}

}  // namespace
}  // namespace gpt2run::test
