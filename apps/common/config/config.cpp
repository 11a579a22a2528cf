// The layers of options, and the rules by which an option's name finds its plugin.
#include "common/config/config.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>

#include "common/config/other_tools.hpp"
#include "common/config/text_file.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

// Short names for options of plugins. Each sets that key in every chosen plugin that declares it. The list is fixed, so
// that a new plugin never changes the meaning of a command line.
constexpr std::string_view kAliases[] = {"temp", "top_k", "top_p",  "min_p", "name", "in",
                                         "out",  "dir",   "format", "echo",  "top"};

bool is_alias(std::string_view name) {
  return std::find(std::begin(kAliases), std::end(kAliases), name) != std::end(kAliases);
}

std::vector<OptionSpec> specs_of(std::span<const CoreOption> core) {
  std::vector<OptionSpec> specs;
  for (const CoreOption& option : core) specs.push_back(option.spec);
  return specs;
}

// The end of the JSON string that starts at `from`: the index after its closing quote, or npos.
size_t end_of_quoted(std::string_view text, size_t from) {
  for (size_t i = from + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return text.npos;
}

// Parses one key=value of a plugin list at `at`, and moves `at` to its end.
std::pair<std::string, std::string> parse_pair(std::string_view text, size_t& at, std::string_view origin) {
  const size_t equal = text.find_first_of("=:,", at);
  if (equal == text.npos || text[equal] != '=' || equal == at)
    usage_error(origin, ": expected key=value after ':', found ", in_quotes(text.substr(at, equal - at)));
  std::string key = normal_name(text.substr(at, equal - at));
  const size_t begin = equal + 1;
  if (begin < text.size() && text[begin] == '"') {
    at = end_of_quoted(text, begin);
    if (at == text.npos || (at < text.size() && text[at] != ':' && text[at] != ','))
      usage_error(origin, ": the quoted value of ", in_quotes(key), " does not end");
    return {std::move(key), json_unquoted(text.substr(begin, at - begin), origin)};
  }
  at = std::min(text.find_first_of(":,", begin), text.size());
  return {std::move(key), std::string(text.substr(begin, at - begin))};
}

// How exact a setting's name is: 0 for an alias, 1 for KIND.KEY, 2 for PLUGIN.KEY. The more exact one wins.
int exactness(const Setting& setting) {
  const size_t dot = setting.name.find('.');
  if (dot == std::string::npos) return 0;
  const std::string_view prefix = std::string_view(setting.name).substr(0, dot);
  for (const Kind kind : {Kind::loader, Kind::precision, Kind::sampler, Kind::sink})
    if (prefix == name_of(kind)) return 1;
  return 2;
}

std::string full_name(const BoundPlugin& chosen, std::string_view key) {
  return std::string(chosen.plugin->name) + "." + std::string(key);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Texts become paths, and the system would end a path at a zero byte.
void check_text(const Setting& setting) {
  if (setting.value.find('\0') != std::string::npos)
    usage_error(setting.origin, ": expected a text without zero bytes, found ", in_quotes(setting.value));
}

[[noreturn]] void refuse_empty(const std::string& origin) {
  usage_error(origin, ": expected a text, found an empty one");
}

bool is_named(const BoundPlugin& chosen, std::string_view prefix) {
  return prefix == normal_name(chosen.plugin->name) || prefix == normal_name(chosen.spec.name);
}

std::string_view prefix_of(std::string_view name) { return name.substr(0, std::min(name.find('.'), name.size())); }
std::string_view key_of(std::string_view name) { return name.substr(name.find('.') + 1); }

bool is_meant(const OtherPlugin& other, const Setting& setting) {
  const std::string_view prefix = prefix_of(setting.name);
  return exactness(setting) == 1 ? prefix == name_of(other.kind) : prefix == normal_name(other.name);
}

std::span<const OptionSpec> specs_of(const Plugin& plugin) { return {plugin.options, plugin.option_count}; }

// The known name that is nearest to `name`, for an error message. A name without a dot is also compared with the part
// after the dot of each of `keys`, such as "isa" of "--precision.isa".
std::string nearest_option(const std::string& name, std::vector<std::string> names,
                           const std::vector<std::string>& keys) {
  if (name.find('.') != name.npos) return nearest_name(name, names);
  const size_t whole = names.size();
  for (const std::string& key : keys) names.push_back("--" + std::string(key_of(key)));
  const std::string nearest = nearest_name(name, names);
  const auto at = static_cast<size_t>(std::find(names.begin(), names.end(), nearest) - names.begin());
  return at < whole || nearest.empty() ? nearest : keys[at - whole];
}

// Whether a config file may have this setting although no chosen plugin declares it.
bool is_of_others(const Setting& setting, std::span<BoundPlugin* const> chosen, std::span<const OtherPlugin> others) {
  if (is_alias(setting.name)) return true;
  const auto is_its_name = [&](const BoundPlugin* one) { return is_named(*one, prefix_of(setting.name)); };
  if (exactness(setting) == 2 && std::any_of(chosen.begin(), chosen.end(), is_its_name)) return false;
  // Names of plugins that could be opened, and of those that could not. A sampler for the host and its twin for the
  // device have one name and the same options, so one of the two is enough.
  std::set<std::string> known, hidden;
  for (const OtherPlugin& other : others) {
    if (!is_meant(other, setting)) continue;
    const Plugin* plugin = other.open();
    (plugin ? known : hidden).insert(other.name);
    if (!plugin) continue;
    for (const OptionSpec& spec : specs_of(*plugin))
      if (key_of(setting.name) == spec.key) return true;
  }
  return !std::ranges::includes(known, hidden);
}

// Refuses an option that is named after a plugin which is there and was not chosen.
void refuse_others(const Setting& setting, std::span<BoundPlugin* const> chosen, std::span<const OtherPlugin> others) {
  const auto is_its_name = [&](const BoundPlugin* one) { return is_named(*one, prefix_of(setting.name)); };
  if (exactness(setting) < 2 || setting.is_translated || std::ranges::any_of(chosen, is_its_name)) return;
  for (const OtherPlugin& other : others)
    if (is_meant(other, setting))
      usage_error(setting.origin, ": expected an option of a plugin that was chosen, found one of the ",
                  name_of(other.kind), " ", other.name, ", which --", name_of(other.kind), " does not name");
}

bool line_names(std::span<const Setting> line, std::string_view name) {
  return std::ranges::any_of(line, [&](const Setting& setting) { return setting.name == name; });
}

// Refuses what stands behind a comma and is no plugin's name, but part of a plugin before it: another option, or more
// of its last option's value.
void check_comma(const PluginSpec& before, const std::string& name, std::string_view origin) {
  if (name.find('=') != name.npos)
    usage_error(origin, ": expected a plugin's name, found ", in_quotes(name),
                "; the options of a plugin stand behind colons, ", printable(before.name + ":" + name, kMostOfName));
  if (before.options.empty() || name.find_first_not_of("0123456789+-") != name.npos) return;
  const auto& [key, value] = before.options.back();
  usage_error(origin, ": expected a plugin's name, found ", in_quotes(name), "; a value with a comma is quoted, ",
              printable(before.name + ":" + key, kMostOfName), "=", in_quotes(value + "," + name));
}

}  // namespace

std::vector<PluginSpec> parse_plugin_list(std::string_view text, std::string_view origin) {
  std::vector<PluginSpec> list;
  size_t at = 0;
  while (true) {
    const size_t end = std::min(text.find_first_of(":,", at), text.size());
    PluginSpec spec{std::string(text.substr(at, end - at)), {}};
    if (spec.name.empty()) usage_error(origin, ": expected a plugin's name, found ", in_quotes(text));
    if (!list.empty()) check_comma(list.back(), spec.name, origin);
    at = end;
    while (at < text.size() && text[at] == ':') spec.options.push_back(parse_pair(text, ++at, origin));
    list.push_back(std::move(spec));
    if (at == text.size()) return list;
    ++at;
  }
}

std::vector<std::string> names_of(const std::vector<PluginSpec>& list) {
  std::vector<std::string> names;
  for (const PluginSpec& spec : list) names.push_back(spec.name);
  return names;
}

std::string to_text(const PluginSpec& spec) {
  std::string text = spec.name;
  for (const auto& [key, value] : spec.options) {
    const bool plain = !value.starts_with('"') && value.find_first_of(":,") == value.npos;
    text += ":" + key + "=" + (plain ? value : json_quoted(value));
  }
  return text;
}

BoundPlugin::BoundPlugin(const Plugin& bound, PluginSpec spec, Layer where, const PluginHost* opener)
    : plugin(&bound),
      spec(std::move(spec)),
      layer(where),
      values(std::string(name_of(bound.kind)) + " " + bound.name, {bound.options, bound.option_count}),
      host(opener) {}

Configuration::Configuration(std::span<const CoreOption> core, std::vector<std::string> arguments)
    : core_(core), specs_(specs_of(core)), values_("gpt2run", specs_) {
  const std::vector<Setting> line = read_line(core_, arguments);
  for (const Setting& setting : line)
    if (setting.name == "config" && values_.declares("config")) read_file(setting.value, setting.origin, line);
  take(Layer::command_line, line);
}

void Configuration::read_file(const std::string& path, const std::string& origin, std::span<const Setting> line) {
  if (path.empty()) refuse_empty(origin);
  const std::string content = read_text(path, origin + " ");
  const size_t first = content.find_first_not_of(" \t\r\n");
  const bool is_json = path.ends_with(".json") || (first != content.npos && content[first] == '{');
  if (!is_json) return take(Layer::file, read_ini(path, content));
  recorded_ = Manifest::from_json(path, content);
  std::vector<Setting> settings;
  for (const RecordedOption& option : recorded_->options) {
    const std::string name = normal_name(option.key), where = path + ": " + option.key;
    if (name == "manifest") usage_error(where, ": a manifest names no file to write: --manifest FILE does");
    if (name == "plugin_dir" && line_names(line, name)) continue;
    if (name == "plugin_dir")
      usage_error(where, ": plugins are code, so a manifest alone does not bring them: if you trust those of ",
                  in_quotes(option.value), ", give --plugin-dir FOLDER too");
    settings.push_back({name, option.value, where});
  }
  std::map<std::string, std::string> slots;
  for (const RecordedPlugin& plugin : recorded_->plugins) {
    // A recorded precision is chosen by its exact name, so that the arithmetic is the same. A sampler is chosen as the
    // user named it, because "device-nucleus" depends on where the logits are.
    PluginSpec spec{plugin.kind == name_of(Kind::sampler) ? plugin.spec : plugin.name, {}};
    for (const RecordedOption& option : plugin.options) spec.options.emplace_back(option.key, option.value);
    std::string& slot = slots[plugin.kind];
    if (!slot.empty()) slot += ',';
    slot += to_text(spec);
  }
  for (const auto& [slot, specs] : slots) settings.push_back({slot, specs, path + ": " + slot});
  take(Layer::file, settings);
}

void Configuration::take(Layer layer, const std::vector<Setting>& settings) {
  for (const Setting& setting : settings) {
    const auto option = std::ranges::find_if(core_, [&](const CoreOption& one) {
      return setting.name == one.spec.key ||
             (!setting.name.empty() && std::ranges::find(one.also, setting.name) != one.also.end());
    });
    if (option == core_.end()) {
      (layer == Layer::file ? file_others_ : line_others_).push_back(setting);
      continue;
    }
    const std::string name = option->spec.key;
    if (layer == Layer::file && name == "config") usage_error(setting.origin, ": a file cannot name another one");
    const bool again = this->layer(name) == layer;
    if (again && !option->repeats && origin(name) != setting.origin)
      usage_error(setting.origin, ": the same option as ", origin(name), ", which is given too");
    if (again && !option->repeats) usage_error(setting.origin, ": given twice");
    if (setting.value.empty() && !option->repeats && option->spec.type == std::string_view("text"))
      refuse_empty(setting.origin);
    if (!option->repeats || name == "plugin_dir") check_text(setting);
    values_.set(name, setting.value, setting.origin);
    sources_[name] = {layer, setting.origin};
    if (!option->repeats) continue;
    if (!again) lists_[name].clear();
    lists_[name].push_back(setting.value);
  }
}

Layer Configuration::layer(std::string_view key) const {
  const auto found = sources_.find(key);
  return found == sources_.end() ? Layer::fallback : found->second.layer;
}

std::string Configuration::origin(std::string_view key) const {
  const auto found = sources_.find(key);
  return found == sources_.end() ? "--" + std::string(key) : found->second.origin;
}

const std::vector<std::string>& Configuration::list(std::string_view key) const {
  static const std::vector<std::string> none;
  const auto found = lists_.find(key);
  return found == lists_.end() ? none : found->second;
}

// The chosen plugins that a setting is for; none when no chosen plugin declares it. Throws UsageError when it is
// ambiguous.
std::vector<BoundPlugin*> Configuration::targets(const Setting& setting, std::span<BoundPlugin* const> chosen) const {
  const size_t dot = setting.name.find('.');
  const std::string_view name = setting.name, prefix = name.substr(0, dot == name.npos ? 0 : dot);
  const std::string_view key = dot == name.npos ? name : name.substr(dot + 1);
  std::vector<BoundPlugin*> found;
  if (dot == name.npos && !is_alias(name)) return found;
  const int exact = exactness(setting);
  for (BoundPlugin* one : chosen) {
    const bool meant = exact == 0 || (exact == 1 ? prefix == name_of(one->plugin->kind) : is_named(*one, prefix));
    if (meant && one->values.declares(key)) found.push_back(one);
  }
  std::vector<std::string> names;  // without repetitions: two instances of one plugin are not ambiguous
  for (const BoundPlugin* one : found) {
    const std::string full = exact == 1 ? full_name(*one, key) : one->values.owner() + ":" + std::string(key) + "=...";
    if (std::find(names.begin(), names.end(), full) == names.end()) names.push_back(full);
  }
  if (exact > 0 && names.size() > 1) usage_error(setting.origin, ": ambiguous; say which: ", joined(names));
  return found;
}

void Configuration::unknown(const Setting& setting, std::span<BoundPlugin* const> chosen,
                            std::span<const OtherPlugin> others) const {
  std::vector<std::string> plugins, names, keys;
  const std::string prefix = "--" + std::string(prefix_of(setting.name)) + ".";
  for (const BoundPlugin* one : chosen) {
    plugins.push_back(one->values.owner());
    const bool is_its_name = is_named(*one, prefix_of(setting.name));
    for (const OptionSpec& spec : one->values.specs()) {
      names.push_back(is_its_name ? prefix + spec.key : "--" + full_name(*one, spec.key));
      keys.push_back("--" + std::string(name_of(one->plugin->kind)) + "." + spec.key);
    }
  }
  if (is_alias(setting.name) && !chosen.empty())
    usage_error(setting.origin, ": no chosen plugin has this option (", joined(plugins), ")");
  const std::string advice = advice_for(setting.name);
  if (!advice.empty()) usage_error("unknown option ", setting.origin, advice);
  if (std::string plugin(prefix_of(setting.name)); setting.is_translated) {
    std::ranges::replace(plugin, '_', '-');
    usage_error(setting.origin, ": an option of the sampler ", plugin, ", which is not in the chain (", joined(plugins),
                "); --sampler ", plugin, ",nucleus adds it");
  }
  for (const CoreOption& option : core_) names.push_back(std::string("--") + option.spec.key);
  for (const std::string_view alias : kAliases)
    if (!chosen.empty()) names.push_back("--" + std::string(alias));
  for (const OtherPlugin& other : others)
    if (const Plugin* plugin = is_meant(other, setting) ? other.open() : nullptr)
      for (const OptionSpec& spec : specs_of(*plugin)) names.push_back(prefix + spec.key);
  const std::string nearest = nearest_option("--" + setting.name, names, keys);
  const size_t colon = setting.origin.find(": "), name = colon == std::string::npos ? 0 : colon + 2;  // behind a file
  usage_error(setting.origin.substr(0, name), "unknown option ", setting.origin.substr(name),
              nearest.empty() ? "; --help lists what there is" : "; the nearest is ", nearest);
}

std::vector<std::string> Configuration::bind(std::span<BoundPlugin* const> chosen,
                                             std::span<const OtherPlugin> others) {
  std::vector<std::string> skipped;
  for (const Layer layer : {Layer::file, Layer::command_line}) {
    std::vector<Setting> settings = layer == Layer::file ? file_others_ : line_others_;
    for (Setting& setting : settings) {
      const std::string_view ours = plugin_option_of(setting.name);
      setting.is_translated = ours != setting.name, setting.name = ours;
    }
    std::stable_sort(settings.begin(), settings.end(),
                     [](const Setting& a, const Setting& b) { return exactness(a) < exactness(b); });
    std::vector<std::string> seen;
    for (const Setting& setting : settings) {
      const std::vector<BoundPlugin*> found = targets(setting, chosen);
      if (found.empty() && layer == Layer::file && is_of_others(setting, chosen, others)) {
        skipped.push_back(setting.origin + " is not used: no chosen plugin has this option");
        continue;
      }
      // A command line can only mean chosen plugins, so the others are not opened for it.
      if (found.empty() && layer == Layer::command_line) refuse_others(setting, chosen, others);
      if (found.empty()) unknown(setting, chosen, layer == Layer::file ? others : std::span<const OtherPlugin>());
      const std::string key(key_of(setting.name));
      const auto is_flag = [&](const BoundPlugin* one) { return one->values.is_flag(key); };
      if (!setting.has_value && !std::all_of(found.begin(), found.end(), is_flag))
        usage_error(setting.origin, ": a value is missing");
      if (std::find(seen.begin(), seen.end(), setting.name) != seen.end()) usage_error(setting.origin, ": given twice");
      seen.push_back(setting.name);
      check_text(setting);
      for (BoundPlugin* one : found) one->values.set(key, setting.value, setting.origin);
    }
    for (BoundPlugin* one : chosen)
      if (one->layer == layer) bind_own(*one, chosen);
  }
  return skipped;
}

void Configuration::bind_own(BoundPlugin& one, std::span<BoundPlugin* const> chosen) const {
  std::vector<std::string> given;
  for (const auto& [key, value] : one.spec.options) {
    const std::string origin = printable(one.spec.name + ":" + key, kMostOfName);
    if (std::find(given.begin(), given.end(), key) != given.end()) usage_error(origin, ": given twice");
    given.push_back(key);
    if (!one.values.declares(key)) unknown({normal_name(one.spec.name) + "." + key, value, origin}, chosen, {});
    check_text({key, value, origin});
    one.values.set(key, value, origin);
  }
}

namespace {

std::string help_line(const std::string& name, const OptionSpec& spec, bool repeats) {
  std::string line = "  " + name;
  line.resize(std::max<size_t>(line.size() + 2, 30), ' ');
  line += spec.help;
  std::string details = spec.type;
  if (*spec.range) details += std::string(" ") + spec.range;
  if (*spec.fallback) details += std::string(", default ") + spec.fallback;
  if (repeats) details += ", repeatable";
  return line + " (" + details + ")\n";
}

}  // namespace

std::string help_of(std::span<const CoreOption> core) {
  std::string help;
  for (const CoreOption& option : core) {
    const std::string letter = option.letter ? std::string("-") + option.letter + ", " : "";
    help += help_line(letter + "--" + option.spec.key, option.spec, option.repeats);
  }
  return help + help_line("--version", {"", "bool", "off", "", "print the version"}, false);
}

std::string help_of(const Plugin& plugin) {
  std::string help = std::string(name_of(plugin.kind)) + " " + plugin.name + ": " + printable(plugin.summary) + "\n";
  for (uint32_t i = 0; i < plugin.option_count; ++i) {
    std::string line =
        help_line(std::string("--") + plugin.name + "." + plugin.options[i].key, plugin.options[i], false);
    line.pop_back();  // the line's end
    help += printable(line) + "\n";
  }
  return help;
}

std::string alias_names() {
  std::string names;
  for (const std::string_view alias : kAliases) {
    if (!names.empty()) names += ", ";
    names.append("--").append(alias);
  }
  return names;
}

}  // namespace gpt2run
