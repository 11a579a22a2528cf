// What the user asked for: command line > config file > default, for a program's own options and for those of the
// plugins that they choose. The line is read twice: first the program's options, with unknown names kept, so that
// plugins can be chosen; then bind() places every remaining name on the chosen plugins, and leaves none over.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/config_sources.hpp"
#include "common/config/manifest.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

enum class Layer : uint8_t { fallback, file, command_line };

// A plugin as it is named anywhere: name:key=value:key=value. Values with ':' or ',' are JSON-quoted.
struct PluginSpec {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;
};

// Splits at commas. Throws UsageError naming origin.
std::vector<PluginSpec> parse_plugin_list(std::string_view text, std::string_view origin);

// Of each one, in order.
std::vector<std::string> names_of(const std::vector<PluginSpec>& list);

// The reverse of parse_plugin_list for one plugin.
std::string to_text(const PluginSpec& spec);

// One plugin that takes part in a run, and its options. One object per instance. host: that opened it, whose crash hook
// hears of its code; it outlives this object, null: none.
struct BoundPlugin {
  const Plugin* plugin;
  PluginSpec spec;  // as the user or a default named it
  Layer layer;      // of asked
  OptionValues values;

  const PluginHost* host;

  BoundPlugin(const Plugin& bound, PluginSpec spec, Layer layer, const PluginHost* host = nullptr);
};

// A plugin that there is. open() is called when a file names an option that no chosen plugin has; null: it cannot be
// opened here, and may have any option.
struct OtherPlugin {
  Kind kind;
  std::string name;
  std::function<const Plugin*()> open;
};

class Configuration {
 public:
  // core outlives it. arguments: without the program's name. Reads the file of --config where `core` declares it: INI,
  // or a run manifest. Throws UsageError for the line, Error for a file.
  Configuration(std::span<const CoreOption> core, std::vector<std::string> arguments);
  Configuration(const Configuration&) = delete;  // its values look at its specs
  Configuration& operator=(const Configuration&) = delete;

  const OptionValues& values() const { return values_; }
  Layer layer(std::string_view key) const;                           // where a core option's value comes from
  std::string origin(std::string_view key) const;                    // how the user named it, for messages
  const std::vector<std::string>& list(std::string_view key) const;  // of an option that repeats; empty: not given
  std::span<const CoreOption> core() const { return core_; }

  // The manifest given as --config, or null.
  const Manifest* recorded() const { return recorded_ ? &*recorded_ : nullptr; }

  // Sets the options of the chosen plugins. others: all plugins there are; an option in the file that one of them has
  // and no chosen one is skipped and returned as a message, on the command line it is an error. Throws UsageError: an
  // unknown name (with the nearest), an ambiguous one (with the full names), a value out of range.
  std::vector<std::string> bind(std::span<BoundPlugin* const> chosen, std::span<const OtherPlugin> others);

 private:
  struct Source {
    Layer layer;
    std::string origin;
  };

  void read_file(const std::string& path, const std::string& origin);
  void take(Layer layer, const std::vector<Setting>& settings);
  void bind_own(BoundPlugin& one, std::span<BoundPlugin* const> chosen) const;  // what stands behind its name
  std::vector<BoundPlugin*> targets(const Setting& setting, std::span<BoundPlugin* const> chosen) const;
  [[noreturn]] void unknown(const Setting& setting, std::span<BoundPlugin* const> chosen,
                            std::span<const OtherPlugin> others) const;

  std::span<const CoreOption> core_;
  std::vector<OptionSpec> specs_;
  OptionValues values_;
  std::map<std::string, Source, std::less<>> sources_;
  std::map<std::string, std::vector<std::string>, std::less<>> lists_;
  std::vector<Setting> file_others_, line_others_;  // names that are not the program's: of plugins
  std::optional<Manifest> recorded_;
};

// Help for options as they are declared: one line each with type, default and range; and for --version, which every
// program has (host/program.hpp).
std::string help_of(std::span<const CoreOption> core);
std::string help_of(const Plugin& plugin);

// The fixed short names, as "--temp, --top_k".
std::string alias_names();

}  // namespace gpt2run
