// Projects are the examples of the documentation with other names, so that there is one text of each.
#include "gpt2plugins/new_project.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "common/program/crash_report.hpp"
#include "common/program/program.hpp"
#include "gpt2run/files/paths.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "gpt2run/sdk/output_file.hpp"
#include "host/discovery.hpp"
#include "host/plugin_host.hpp"
#include "host/usage_error.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

using Replacements = std::vector<std::pair<std::string, std::string>>;

// The example of a kind.
struct Example {
  Kind kind;
  const char *source, *test;  // files of the sources
  const char* name;           // of the plugin
  const char* type;           // the beginning of its classes' names
  bool is_format;             // its name is also a word of the files that it reads, which stays
  const char* use;            // the options of a run with it, with "coin" for the name
};

constexpr char kSamplerUse[] = "--prompt \"Once upon a time\" --sampler coin";

constexpr Example kExamples[] = {
    {Kind::loader, "docs/examples/loader-flat.cpp", "plugins/template/loader_test.sh", "flat", "Flat", true,
     "--model FILE --tokens 1,2,3"},
    {Kind::precision, "docs/examples/precision-e4m3.cpp", "plugins/template/precision_test.sh", "my-e4m3", "MyE4m3",
     false, "--prompt \"Once upon a time\" --precision coin"},
    {Kind::sampler, "plugins/template/coin.cpp", "plugins/template/sampler_test.sh", "coin", "Coin", false,
     kSamplerUse},
    {Kind::sink, "docs/examples/sink-surprise.cpp", "plugins/template/sink_test.sh", "surprise", "Surprise", false,
     "--prompt \"Once upon a time\" --sink coin"},
};

// One file of a project.
struct ProjectFile {
  std::string name, text;
  mode_t mode = 0666;
};

std::string replaced(std::string text, const Replacements& all) {
  for (const auto& [from, to] : all)
    for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

// "my-sampler" becomes "My" for a sampler, and "MySink" for any other kind: classes have their kind at the end.
std::string type_of(const std::string& name, Kind kind) {
  std::string type = std::isdigit(static_cast<unsigned char>(name.front())) ? "Plugin" : "";
  bool begins = true;
  for (const char c : name) {
    if (c != '-') type += begins ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    begins = c == '-';
  }
  const std::string suffix = name_of(kind);
  const bool has_suffix = name.size() > suffix.size() && name.ends_with("-" + suffix);
  return has_suffix ? type.substr(0, type.size() - suffix.size()) : type;
}

std::vector<ProjectFile> files_of(const Example& example, const std::string& name) {
  const std::string kind = name_of(example.kind), old = example.name;
  Replacements names = {{example.type, type_of(name, example.kind)}};
  if (example.is_format)
    names.insert(names.end(), {{kind + " " + old, kind + " " + name},
                               {"Loader " + old, "Loader " + name},
                               {".name = \"" + old + "\"", ".name = \"" + name + "\""}});
  else
    names.emplace_back(old, name);
  const Replacements common = {{kSamplerUse, example.use}, {"sampler", kind}, {"coin", name}};
  const auto text = [](const char* file) { return std::string(template_file(file)); };
  return {{name + ".cpp", replaced(text(example.source), names)},
          {"CMakeLists.txt", replaced(text("plugins/template/CMakeLists.txt"), common)},
          {"README.md", replaced(text("plugins/template/README.md"), common)},
          {"test.sh", replaced(text(example.test), names), 0777}};
}

// The files before they appear. They are written to a temporary folder, which the destructor removes: beside the final
// folder, or inside it where that one exists already and is empty.
class Draft {
 public:
  explicit Draft(fs::path folder) : folder_(std::move(folder)), makes_folder_(!is_folder(folder_)) {
    std::string pattern = makes_folder_ ? folder_.string() + ".XXXXXX" : (folder_ / ".new-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
      fail(folder_.string(), makes_folder_ ? ": cannot be made: " : ": cannot be written to: ", std::strerror(errno));
    draft_ = pattern;
  }
  ~Draft() {
    std::error_code ignored;
    fs::remove_all(draft_, ignored);
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  void write(const ProjectFile& file) const {
    const fs::path path = draft_ / file.name;
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file.mode);
    if (fd < 0) fail(path.string(), ": cannot be made: ", std::strerror(errno));
    try {
      write_all(fd, file.text, path.string());
    } catch (...) {
      close(fd);
      throw;
    }
    if (close(fd) != 0) fail(path.string(), ": cannot write: ", std::strerror(errno));
  }

  // Nothing is written over, also what has appeared meanwhile. A folder that exists keeps its place, since somebody may
  // stand in it.
  void publish() const {
    if (!makes_folder_) return publish_files();
    const mode_t mask = umask(0);
    umask(mask);
    chmod(draft_.c_str(), 0777 & ~mask);
    move(draft_, folder_);
  }

 private:
  void publish_files() const {
    const std::vector<fs::path> files = entries_of(draft_);
    size_t moved = 0;
    const auto place = [&](size_t i) { return folder_ / files[i].filename(); };
    try {
      for (; moved < files.size(); ++moved) move(files[moved], place(moved));
    } catch (...) {
      std::error_code ignored;
      while (moved > 0) fs::remove(place(--moved), ignored);
      throw;
    }
  }

  static void move(const fs::path& from, const fs::path& to) {
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
    // Some file systems have no such flag.
    if (errno != EINVAL || is_there(to) || rename(from.c_str(), to.c_str()) != 0)
      fail(to.string(), ": cannot be made: ", std::strerror(errno));
  }

  fs::path folder_, draft_;
  bool makes_folder_;
};

const Example& example_of(const std::string& kind) {
  const auto found = std::ranges::find_if(kExamples, [&](const Example& one) { return kind == name_of(one.kind); });
  if (found == std::end(kExamples))
    usage_error("new: expected loader, precision, sampler or sink, found ", in_quotes(kind));
  return *found;
}

void check_name(const std::string& kind, const std::string& name) {
  constexpr size_t kMost = 100;
  std::string reason;
  const bool is_name = parse_file_name("gpt2run-" + kind + "-" + name + ".so", reason).has_value() &&
                       name.find('.') == name.npos && name.front() != '-' && name.size() <= kMost;
  if (!is_name)
    usage_error("new: expected a name of a-z, 0-9 and '-', ", kMost, " characters at most, with no '-' in front",
                kind == "sampler" ? " and no \"device-\" in front" : "", ", found ", in_quotes(name));
  const PluginHost host({}, report_crashes);
  for (const Candidate& other : host.candidates())
    if (name_of(other.kind) == kind && other.name == name)
      usage_error("new: expected a name that no ", kind, " has, found ", in_quotes(name), ", which is that of ",
                  other.file.string());
}

}  // namespace

void new_project(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2 || arguments.size() > 3)
    usage_error("new: expected a kind, a name, and a folder or none; gpt2plugins --help shows the usage");
  const std::string &kind = arguments[0], &name = arguments[1];
  const Example& example = example_of(kind);
  check_name(kind, name);
  fs::path folder = arguments.size() > 2 ? arguments[2] : name;
  if (!folder.has_filename()) folder = folder.parent_path();  // "folder/"
  if (folder.empty()) usage_error("new: expected a folder, found an empty text");
  std::error_code ignored;
  if (is_there(folder) && !(is_folder(folder) && entries_of(folder).empty()))
    fail(folder.string(), ": exists already, and nothing is written over");
  const std::vector<ProjectFile> files = files_of(example, name);
  const Draft draft(folder);
  for (const ProjectFile& file : files) draft.write(file);
  draft.publish();
  std::string text;
  for (const ProjectFile& file : files) text += printable((folder / file.name).string()) + "\n";
  text += "\nto build and test it:\n";
  // Plugins are built against an installed gpt2run. This one may still lie in the folder where it was built.
  std::string prefix = printable(installation().string());
  if (fs::exists(installation() / "CMakeCache.txt", ignored)) {
    text += "  cmake --install " + prefix + " --prefix ~/gpt2run\n";
    prefix = "~/gpt2run";
  }
  text += "  cd " + printable(folder.string()) + "\n";
  text += "  cmake -G Ninja -B build -DCMAKE_PREFIX_PATH=" + prefix + "\n";
  text += "  cmake --build build && ctest --test-dir build\n";
  print(text);
}

}  // namespace gpt2run
