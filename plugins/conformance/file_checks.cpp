// The checks for every kind of plugin: of its file and its descriptor.
#include <algorithm>

#include "conformance/checks.hpp"
#include "gpt2run/loader.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sink.hpp"
#include "host/elf_file.hpp"

namespace gpt2run::conformance {
namespace {

namespace fs = std::filesystem;

bool is_in_build_tree(const fs::path& file) {
  for (fs::path folder = fs::absolute(file).parent_path(); folder != folder.root_path(); folder = folder.parent_path())
    if (fs::exists(folder / "CMakeCache.txt")) return true;
  return false;
}

void check_exports(const ElfFacts& facts) {
  constexpr size_t kMostShown = 3;
  std::vector<std::string> others = facts.exported;
  std::erase(others, "gpt2run_plugin");
  std::string shown;
  for (size_t i = 0; i < std::min(others.size(), kMostShown); ++i) shown.append(" ").append(in_quotes(others[i]));
  if (others.size() > kMostShown) shown.append(" and ").append(std::to_string(others.size() - kMostShown)) += " others";
  require(others.empty(), "it exports more:", shown, "; link it with the version script plugin.map");
  require(facts.exported.size() == 1, "found ", facts.exported.size(), " symbols called gpt2run_plugin");
}

void check_run_paths(const ElfFacts& facts, bool in_build_tree) {
  for (const std::string& path : facts.run_paths) {
    if (path.starts_with("$ORIGIN")) continue;
    if (in_build_tree) throw Skipped("a build tree may look for libraries in " + path);
    fail("it looks for libraries in ", path, ", expected none or $ORIGIN/...");
  }
}

void check_no_plugin_needed(const ElfFacts& facts) {
  for (const std::string& library : facts.needed)
    require(!library.starts_with("gpt2run-"), "it links the plugin ", library);
}

void create_and_delete(const Plugin& plugin) {
  for (int i = 0; i < 100; ++i) switch (plugin.kind) {
      case Kind::loader:
        create<Loader>(plugin);
        break;
      case Kind::precision:
        create<Precision>(plugin);
        break;
      case Kind::sampler:
        create<Sampler>(plugin);
        break;
      case Kind::sink:
        create<Sink>(plugin);
        break;
    }
}

}  // namespace

void check_file(Report& report, const fs::path& file) {
  if (!report.check("the file is an ELF library", [&] { read_elf(file); })) return;
  report.check("it exports gpt2run_plugin and nothing else", [&] { check_exports(read_elf(file)); });
  report.check("it links no other plugin", [&] { check_no_plugin_needed(read_elf(file)); });
  report.check("it looks for libraries in no fixed folder",
               [&] { check_run_paths(read_elf(file), is_in_build_tree(file)); });
  report.check("it asks for no executable stack",
               [&] { require(!read_elf(file).executable_stack, "its stack is executable"); });
}

bool check_descriptor(Report& report, const Plugin& plugin) {
  report.check("probe gives a score and a reason", [&] {
    for (int i = 0; i < 100; ++i) {
      const Probe probe = plugin.probe();
      require(probe.reason && *probe.reason, "it gives no reason");
      require(probe.score >= 0, "its score is ", probe.score, ", expected 0 or more");
    }
  });
  report.check("version, summary and every option's help are one line", [&] {
    const auto require_line = [](const std::string& what, std::string_view text) {
      require(!text.empty() && text.find('\n') == text.npos, what, " is not");
      require(printable(text) == text, what, " has characters that move a terminal's cursor: ", in_quotes(text));
    };
    require_line("the version", plugin.version);
    require_line("the summary", plugin.summary);
    for (uint32_t i = 0; i < plugin.option_count; ++i)
      require_line(std::string("the help of ") + plugin.options[i].key, plugin.options[i].help);
  });
  return report.check("100 objects with default options come and go", [&] {
    if (plugin.probe().score == 0) throw Skipped(plugin.probe().reason);
    create_and_delete(plugin);
  });
}

}  // namespace gpt2run::conformance
