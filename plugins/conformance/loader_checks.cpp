// The checks of a loader: it declines files that are not in its format, and throws Error when it has to open them.
#include <stdlib.h>

#include <fstream>

#include "conformance/checks.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run::conformance {
namespace {

namespace fs = std::filesystem;

// A temporary folder with an empty file, a file of zeros and an empty folder.
class Junk {
 public:
  Junk() {
    std::string pattern = (fs::temp_directory_path() / "gpt2run-check-XXXXXX").string();
    if (!mkdtemp(pattern.data())) fail(pattern, ": cannot be made");
    folder_ = pattern;
    std::ofstream(folder_ / "empty");
    std::ofstream(folder_ / "zeros") << std::string(4096, '\0');
    fs::create_directory(folder_ / "folder");
  }
  ~Junk() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Junk(const Junk&) = delete;
  Junk& operator=(const Junk&) = delete;

  std::string path(const char* name) const { return (folder_ / name).string(); }

 private:
  fs::path folder_;
};

}  // namespace

void check_loader(Report& report, const Plugin& plugin) {
  const Junk junk;
  const std::pair<const char*, std::string> paths[] = {{"an empty path", ""},
                                                       {"a missing file", junk.path("missing")},
                                                       {"an empty file", junk.path("empty")},
                                                       {"a file of zeros", junk.path("zeros")},
                                                       {"an empty folder", junk.path("folder")}};
  const auto loader = create<Loader>(plugin);
  for (const auto& [what, path] : paths) {
    if (!std::filesystem::is_directory(path))  // a loader of folders may accept any, to say what is missing
      report.check(std::string("it declines ") + what, [&, path = path] {
        const int score = loader->probe(path.c_str());
        require(score == 0, "probe gave ", score);
      });
    report.check(std::string("opening ") + what + " is an Error",
                 [&, path = path] { require_error("open", [&] { loader->open(path.c_str()); }); });
  }
}

}  // namespace gpt2run::conformance
