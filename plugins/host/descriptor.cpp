// Checks of a plugin's descriptor, in the order in which its fields can be trusted.
#include "host/descriptor.hpp"

#include <algorithm>
#include <set>
#include <span>

#include "host/dynamic_library.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

constexpr char kSymbol[] = "gpt2run_plugin";

std::string to_text(Kind kind, std::string_view name, Space space) {
  return std::string(name_of(kind)) + " '" + std::string(name) + "' in space " + name_of(space);
}

void check_layout(const std::string& file, const Symbol& symbol) {
  if (symbol.size < sizeof(uint32_t)) fail(file, ": ", kSymbol, " is no descriptor: ", symbol.size, " bytes");
  const uint32_t abi = *static_cast<const uint32_t*>(symbol.address);
  if (abi != kAbi)
    fail(file, ": built for contract ", abi, ", this gpt2run has ", kAbi,
         ": rebuild it with its SDK, see docs/plugin_guide.md");
  if (symbol.size != sizeof(Plugin))
    fail(file, ": ", kSymbol, " has ", symbol.size, " bytes, expected ", sizeof(Plugin));
}

void check_tag(const std::string& file, const Plugin& plugin) {
  if (!plugin.tag) fail(file, ": its descriptor has no tag");
  if (std::string_view(plugin.tag) != kTag)
    fail(file, ": built with the standard library '", plugin.tag, "', and this program with '", kTag,
         "': build the plugin with the same one");
}

void check_fields(const std::string& file, const Plugin& plugin) {
  const std::pair<const char*, bool> fields[] = {
      {"name", plugin.name},       {"version", plugin.version},
      {"summary", plugin.summary}, {"options", plugin.options || !plugin.option_count},
      {"probe", plugin.probe},     {"create", plugin.create}};
  for (const auto& [field, present] : fields)
    if (!present) fail(file, ": its descriptor has no ", field);
}

// A count beyond that is no count: the field holds something else, or the plugin does harm.
void check_option_count(const std::string& file, const Plugin& plugin) {
  constexpr uint32_t kMost = 256;
  if (plugin.option_count > kMost)
    fail(file, ": declares ", plugin.option_count, " options, expected ", kMost, " at most");
}

void check_identity(const std::string& file, const Plugin& plugin, const Identity& expected) {
  if (plugin.kind == expected.kind && plugin.space == expected.space && plugin.name == expected.name) return;
  fail(file, ": holds ", to_text(plugin.kind, plugin.name, plugin.space), ", its name says ",
       to_text(expected.kind, expected.name, expected.space));
}

bool is_option_key(std::string_view key) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !key.empty() && key.front() >= 'a' && std::all_of(key.begin(), key.end(), allowed);
}

void check_options(const std::string& file, const Plugin& plugin) {
  const std::span specs(plugin.options, plugin.option_count);
  std::set<std::string_view> keys;
  for (const OptionSpec& spec : specs) {
    const size_t number = &spec - specs.data() + 1;
    if (!spec.key || !spec.type || !spec.fallback || !spec.range || !spec.help)
      fail(file, ": option ", number, " lacks a key, type, fallback, range or help");
    if (!is_option_key(spec.key))
      fail(file, ": option ", number, " is called '", spec.key, "', expected a-z, 0-9 and '_' after a letter");
    if (!keys.insert(spec.key).second) fail(file, ": option ", spec.key, " is declared twice");
  }
  OptionValues defaults(file, specs);  // its constructor checks types, ranges and defaults
}

}  // namespace

const Plugin& open_descriptor(const std::filesystem::path& path, const Identity& expected) {
  const std::string file = path.string();
  const Symbol symbol = DynamicLibrary(path).symbol(kSymbol);
  check_layout(file, symbol);
  const Plugin& plugin = *static_cast<const Plugin*>(symbol.address);
  check_tag(file, plugin);
  check_fields(file, plugin);
  check_option_count(file, plugin);
  check_identity(file, plugin, expected);
  check_options(file, plugin);
  return plugin;
}

}  // namespace gpt2run
