// The options of a run: command line before config file before default, for the program's own options and for those of
// the plugins that it uses. They are read in two passes, because the program's options choose the plugins: the
// constructor reads the program's options and keeps all other names, and bind() later gives each of these to the chosen
// plugins. A name that nobody declares is an error.
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

// Where an option's value comes from, the weakest first.
enum class Layer : uint8_t { fallback, file, command_line };

// A plugin with options, as a user writes it: name:key=value:key=value. A value that contains ':' or ',' is a JSON
// string.
struct PluginSpec {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;
};

// Parses a list of plugins, separated by commas. origin: how error messages name the text. Throws UsageError.
std::vector<PluginSpec> parse_plugin_list(std::string_view text, std::string_view origin);

// The name of each plugin, in order.
std::vector<std::string> names_of(const std::vector<PluginSpec>& list);

// The reverse of parse_plugin_list for one plugin.
std::string to_text(const PluginSpec& spec);

// A plugin that takes part in a run, with the values of its options. A plugin that is used twice has two of these.
// host: the plugin host that opened it, whose crash hook is told when the plugin's code runs; it outlives this object.
// null: no crash hook.
struct BoundPlugin {
  const Plugin* plugin;
  PluginSpec spec;  // as the user or a default named it
  Layer layer;      // where spec comes from
  OptionValues values;

  const PluginHost* host;

  BoundPlugin(const Plugin& bound, PluginSpec spec, Layer layer, const PluginHost* host = nullptr);
};

// A plugin that is installed, chosen or not. open() is called when a config file has an option that no chosen plugin
// declares. It returns null for a plugin that cannot be opened here, which may then declare any option.
struct OtherPlugin {
  Kind kind;
  std::string name;
  std::function<const Plugin*()> open;
};

// The options of one program run.
class Configuration {
 public:
  // Parses the command line. core: the program's own options, which outlive this object. arguments: those after the
  // program's name. Where `core` declares --config and it is given, that file is read too: an INI file, or the manifest
  // of a run. A manifest neither names a file to write nor, unless the command line does so too, folders of plugins.
  // Throws UsageError for a wrong command line or INI file, Error for a file that cannot be read or a wrong manifest.
  Configuration(std::span<const CoreOption> core, std::vector<std::string> arguments);
  Configuration(const Configuration&) = delete;  // values_ points into specs_
  Configuration& operator=(const Configuration&) = delete;

  const OptionValues& values() const { return values_; }
  // Of one of the program's own options: where its value comes from, how the user spelt its name, and all values of one
  // that may repeat, empty when it was not given.
  Layer layer(std::string_view key) const;
  std::string origin(std::string_view key) const;
  const std::vector<std::string>& list(std::string_view key) const;
  std::span<const CoreOption> core() const { return core_; }

  // The manifest of an earlier run that was given as --config, or null.
  const Manifest* recorded() const { return recorded_ ? &*recorded_ : nullptr; }

  // Sets the options of the chosen plugins. others: all installed plugins. An option of the config file that no chosen
  // plugin declares but one of `others` does is skipped, and a message about it is returned; on the command line it is
  // an error. Throws UsageError for an unknown name, with the nearest known one; for an ambiguous name, with the full
  // names; and for a value out of range.
  std::vector<std::string> bind(std::span<BoundPlugin* const> chosen, std::span<const OtherPlugin> others);

 private:
  struct Source {
    Layer layer;
    std::string origin;
  };

  // line: the command line, which alone may name folders of plugins when the file is a manifest.
  void read_file(const std::string& path, const std::string& origin, std::span<const Setting> line);
  void take(Layer layer, const std::vector<Setting>& settings);
  // Sets the options that were given with the plugin's name, name:key=value.
  void bind_own(BoundPlugin& one, std::span<BoundPlugin* const> chosen) const;
  std::vector<BoundPlugin*> targets(const Setting& setting, std::span<BoundPlugin* const> chosen) const;
  [[noreturn]] void unknown(const Setting& setting, std::span<BoundPlugin* const> chosen,
                            std::span<const OtherPlugin> others) const;

  std::span<const CoreOption> core_;
  std::vector<OptionSpec> specs_;
  OptionValues values_;
  std::map<std::string, Source, std::less<>> sources_;
  std::map<std::string, std::vector<std::string>, std::less<>> lists_;
  std::vector<Setting> file_others_, line_others_;  // settings that are not the program's own: for bind()
  std::optional<Manifest> recorded_;
};

// Help text with one line for each option: name, description, type, range and default. That of the program's options
// ends with --version, which every program has (program/program.hpp).
std::string help_of(std::span<const CoreOption> core);
std::string help_of(const Plugin& plugin);

// The short names of plugin options, as a list: "--temp, --top_k".
std::string alias_names();

}  // namespace gpt2run
