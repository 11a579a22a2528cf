// What the fuzz targets share. A target hands the bytes of one input to one reader of the project. For each input the
// reader either succeeds or throws Error with one printable line; whatever else happens is a finding.
//
// The targets are linked in two ways: each into a program of its own with libFuzzer (fuzz_main.cpp), and all together
// into a test that replays committed inputs (replay_test.cpp).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/loader.hpp"
#include "support/memory_file.hpp"
#include "support/program.hpp"

namespace gpt2run::fuzz {

struct Target {
  std::string name;
  void (*run)(std::string_view bytes);  // may throw Error
};

// The targets that are linked into this program.
const std::vector<Target>& targets();

// Adds a target. It stands in the target's file as a constant of namespace scope.
struct Registration {
  Registration(const char* name, void (*run)(std::string_view bytes));
};

// Runs a target on one input. Ends the process where the line of an Error is empty or not printable, and where the
// target throws anything else.
void run(const Target& target, std::string_view bytes);

// Ends the process with a message unless the condition holds: for what a target promises about its results.
void require(bool condition, const char* promise);

// The parts of an input that stands for several files: they are separated by the line "%%%%". The result has `count`
// parts; those that the input does not have are empty, and the last one is the rest.
std::vector<std::string> parts_of(std::string_view bytes, size_t count);

// The path of a file or folder of the source tree, or, where there is none, of the folder `files` beside the program.
std::string given_file(const std::string& name);

// A folder whose files are written again and again. Those that change lie in memory.
class Files {
 public:
  // changing: the names of the files that write() replaces.
  explicit Files(const std::vector<std::string>& changing);

  void write(const std::string& name, std::string_view bytes);
  // Adds a file that stays as it is: a given_file().
  void copy(const std::string& name, const std::string& from) const;

  std::string path(const std::string& name = "") const { return name.empty() ? folder_.path() : folder_.path() / name; }

 private:
  test::ScratchFolder folder_;
  std::vector<std::pair<std::string, std::unique_ptr<test::MemoryFile>>> changing_;
};

// A loader of this project with the defaults of its options. It is part of a program with libFuzzer, and a plugin in
// the test that replays.
std::unique_ptr<Loader> loader(const std::string& name);

// Opens a model and reads its weights, as far as they are small, and its tokenizer, if it has one.
void open_model(Loader& loader, const std::string& path);

// Uses an open tokenizer: a text becomes ids, and ids become text.
void use_tokenizer(const std::string& path);

}  // namespace gpt2run::fuzz
