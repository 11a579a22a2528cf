// Lists of sums, and the files of a model.
#include "common/pipeline/verify.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "common/pipeline/packed_model.hpp"
#include "common/pipeline/packed_source.hpp"
#include "common/program/interrupt.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDigits = 64;           // of a SHA-256
constexpr size_t kShown = kDigits + 62;  // characters of a line in a message: the sum, and what in_quotes() shows

void check_interrupt() {
  if (interrupted()) fail("interrupted while the sums of the model were checked");
}

// The list that belongs to a model; empty if there is none.
fs::path list_of(const fs::path& model) {
  const fs::path list = is_folder(model) ? model / kSumsOfFolder : fs::path(model.string() + kSumsOfFile);
  return is_there(list) ? list : fs::path();
}

// The sums of a list, by the path of the file. A line is the sum, a blank, a blank or "*", and the name.
std::map<fs::path, std::string> read_list(const fs::path& list) {
  std::map<fs::path, std::string> sums;
  std::istringstream lines(read_file(list));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const bool is_right = line.size() > kDigits + 2 && line.find_first_not_of("0123456789abcdef") == kDigits &&
                          line[kDigits] == ' ' && (line[kDigits + 1] == ' ' || line[kDigits + 1] == '*');
    const fs::path name = is_right ? line.substr(kDigits + 2) : "";
    if (!is_right || name.empty() || name.has_parent_path() || line.find('\0') != line.npos)
      fail(list.string(), ": line ", number,
           ": expected a SHA-256 in small letters, two blanks and the name of a file beside it, found \"",
           printable(line, kShown), '"');
    if (!sums.emplace(list.parent_path() / name, line.substr(0, kDigits)).second)
      fail(list.string(), ": line ", number, ": expected one sum of ", in_quotes(name.string()),
           ", found another above");
  }
  return sums;
}

// The sums of files, each of which is read once.
class Sums {
 public:
  const std::string& of(const fs::path& file) {
    std::string& sum = known_[file];
    if (sum.empty()) sum = sha256_of_file(file.string(), check_interrupt);
    return sum;
  }

 private:
  std::map<fs::path, std::string> known_;
};

// Compares files with a list. Returns the names of them.
std::set<std::string> compare_with_list(const fs::path& model, Sums& sums) {
  const fs::path list = list_of(model);
  if (list.empty()) return {};
  const auto expected = read_list(list);
  for (const auto& [file, sum] : expected) {
    if (!fs::exists(status_of(file)))
      fail(list.string(), ": expected the file ", in_quotes(file.filename().string()),
           ", whose sum it has, found none");
    if (sums.of(file) != sum)
      fail(file.string(), ": expected the SHA-256 ", sum, ", as ", list.string(), " says, found ", sums.of(file));
  }
  std::set<std::string> names;
  for (const auto& [file, sum] : expected) names.insert(file.filename().string());
  return names;
}

// Compares the model's files with those of a recorded run. Adds their names.
void compare_with_recorded(const Manifest* recorded, const std::vector<RecordedFile>& now, const std::string& model,
                           std::set<std::string>& compared) {
  if (!recorded) return;
  for (const RecordedFile& then : recorded->files) {
    const auto found = std::ranges::find(now, then.name, &RecordedFile::name);
    if (found == now.end())
      fail(model, ": expected the file ", in_quotes(then.name), " of the recorded run, found none");
    if (found->sha256 != then.sha256)
      fail(model, ": ", then.name, ": expected the SHA-256 ", then.sha256, " of the recorded run, found ",
           found->sha256);
  }
  for (const RecordedFile& then : recorded->files) compared.insert(then.name);
}

// Returns whether the loader checks the sums within the files.
bool let_loader_check(const Configuration& configuration, BoundPlugin& loader) {
  constexpr const char* kOption = "check_sums";
  if (!loader.values.declares(kOption) || !loader.values.is_flag(kOption)) return false;
  if (!loader.values.given(kOption)) loader.values.set(kOption, "on", configuration.origin("verify"));
  return loader.values.flag(kOption);
}

}  // namespace

std::string sum_line(const std::string& sum, const std::string& name) { return sum + "  " + name + "\n"; }

std::vector<RecordedFile> verify_model(const Configuration& configuration, BoundPlugin& loader,
                                       const std::string& model, bool must) {
  if (!configuration.values().declares("verify") || !configuration.values().flag("verify")) return {};
  const bool is_packed = PackedFolder::is_one(model), loader_checks = let_loader_check(configuration, loader);
  if (is_packed) PackedFolder(model).verify(check_interrupt);
  const std::string source = source_of_model(model);
  Sums sums;
  std::vector<RecordedFile> files;
  for (const fs::path& file : source_files(source)) files.push_back({file.filename().string(), sums.of(file)});
  std::set<std::string> compared = compare_with_list(source, sums);
  compare_with_recorded(configuration.recorded(), files, source, compared);
  const auto alone = std::ranges::find_if(files, [&](const RecordedFile& one) { return !compared.contains(one.name); });
  if (is_packed || loader_checks || (!compared.empty() && alone == files.end())) {
    log_info(model + ": all files have their sums");
    return files;
  }
  const std::string line =
      "--verify: " + (compared.empty() ? model + " has no sums" : source + ": " + alone->name + " has no sum") +
      " to compare with: expected " +
      (is_folder(source) ? kSumsOfFolder + std::string(" in the folder") : source + kSumsOfFile) +
      ", or a recorded run with --verify";
  if (must) fail(line);
  log_warning(line);
  return files;
}

}  // namespace gpt2run
