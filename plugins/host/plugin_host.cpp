// Opens plugins by name, with the rules for precisions and samplers, and errors that list what exists.
#include "host/plugin_host.hpp"

#include <algorithm>
#include <mutex>
#include <set>

#include "gpt2run/precision.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/descriptor.hpp"
#include "host/discovery.hpp"
#include "host/dynamic_library.hpp"
#include "host/log.hpp"
#include "host/options.hpp"
#include "host/trust.hpp"

namespace gpt2run {
namespace {

constexpr std::string_view kTypes[] = {"fp32", "fp16", "bf16"};
constexpr std::string_view kDevices[] = {"cuda", "cpu"};  // in the order in which they are tried for a type
constexpr Space kSpaces[] = {Space::host, Space::cuda, Space::test};
constexpr std::string_view kDevicePrefix = "device-";
constexpr char kDriver[] = "libcuda.so.1";

void check_driver(const Candidate& candidate, const CrashHook& hook) {
  if (candidate.space != Space::cuda) return;
  std::string reason;
  const auto watched = hook(kDriver, "opened");
  if (!opens_system_library(kDriver, reason)) fail("there is no CUDA driver (", reason, ")");
}

void check_runs(const Plugin& plugin) {
  const Probe probe = plugin.probe();
  if (probe.score <= 0)
    fail(name_of(plugin.kind), " ", in_quotes(plugin.name),
         " cannot run here: ", probe.reason ? probe.reason : "it gives no reason");
}

bool is_type(std::string_view name) {
  return std::find(std::begin(kTypes), std::end(kTypes), name) != std::end(kTypes);
}

// Types that fall back from the first device for the same reason, except for the type's name in it.
struct SharedReason {
  std::string types, plugins, reasons;  // reasons: those of the first type
  std::string pattern;                  // the reasons with * in place of the type
  int count;

  std::string text() const {
    const std::string& why = count > 1 ? pattern : reasons;
    return types + ": " + plugins + (why.empty() ? "" : " (" + why + ")");
  }
};

void add_reason(std::vector<SharedReason>& groups, const std::string& type, const std::string& plugin,
                const std::string& reasons) {
  std::string pattern = reasons;
  for (size_t at; (at = pattern.find(type)) != pattern.npos;) pattern.replace(at, type.size(), 1, '*');
  for (SharedReason& group : groups) {
    if (group.pattern != pattern) continue;
    group.types += ", " + type, group.plugins += ", " + plugin, ++group.count;
    return;
  }
  groups.push_back({type, plugin, reasons, pattern, 1});
}

void write_log(int level, const char* message) {
  if (level >= 2)
    log_warning(message);
  else if (level == 1)
    log_info(message);
  else
    log_debug(message);
}

}  // namespace

struct PluginHost::State {
  CrashHook hook = [](const std::filesystem::path&, const std::string&) { return nullptr; };
  std::vector<std::filesystem::path> folders;
  Discovery found;
  std::set<std::filesystem::path> opened;  // so that shadowed files are logged once
  std::set<std::string> noted;             // types that note_precisions() has logged

  std::vector<std::string> names(Kind kind) const {
    std::set<std::string> all;
    for (const Candidate& candidate : found.candidates)
      if (candidate.kind == kind) all.insert(candidate.name);
    return {all.begin(), all.end()};
  }

  [[noreturn]] void fail_unknown(Kind kind, std::string_view name) const {
    std::vector<std::string> known = names(kind);
    if (known.empty())
      usage_error("there is no ", name_of(kind), " ", in_quotes(name),
                  ": none was found at all; plugins are looked for in ", plugin_places());
    if (kind == Kind::precision) known.insert(known.begin(), std::begin(kTypes), std::end(kTypes));
    std::string list;
    for (const std::string& one : known) list += (list.empty() ? "" : ", ") + one;
    const std::string near = nearest_name(name, known);
    constexpr std::string_view why = GPT2RUN_CUDA_WHY;
    const bool not_built = name.starts_with("cuda-") && !why.empty();
    usage_error("there is no ", name_of(kind), " ", in_quotes(name),
                not_built ? ", since CUDA plugins were not built: " + std::string(why) : "",
                near.empty() || near == name ? "" : ", did you mean " + in_quotes(near) + "?", " (there is: ", list,
                ")");
  }
};

PluginHost::PluginHost(std::vector<std::filesystem::path> folders, CrashHook hook) : state_(new State) {
  if (hook) state_->hook = std::move(hook);
  state_->folders = search_folders(folders);
  state_->found = discover(state_->folders);
}
PluginHost::~PluginHost() = default;

const std::vector<Candidate>& PluginHost::candidates() const { return state_->found.candidates; }
const std::vector<std::filesystem::path>& PluginHost::folders() const { return state_->folders; }
const std::vector<RejectedFile>& PluginHost::rejected() const { return state_->found.rejected; }

const Plugin& PluginHost::open(const Candidate& candidate) {
  if (!candidate.conflict.empty())
    fail(candidate.file.string(), ": refused, ", candidate.conflict.filename().string(),
         " in the same folder is the same plugin");
  check_trust(candidate.file);
  check_driver(candidate, state_->hook);
  const auto watched = state_->hook(candidate.file, "opened");
  const Plugin& plugin = open_descriptor(candidate.file, {candidate.kind, candidate.name, candidate.space});
  if (state_->opened.insert(candidate.file).second)
    for (const auto& shadowed : candidate.shadows)
      log_warning(candidate.file.string() + " is used and shadows " + shadowed.string());
  return plugin;
}

std::shared_ptr<void> PluginHost::watch(const Plugin& plugin, const std::string& done) const {
  const Candidate* candidate = find(plugin.kind, plugin.name, plugin.space);
  return state_->hook(candidate ? candidate->file : plugin.name, done);
}

const Candidate* PluginHost::find(Kind kind, std::string_view name, Space space) const {
  for (const Candidate& candidate : state_->found.candidates)
    if (candidate.kind == kind && candidate.name == name && candidate.space == space) return &candidate;
  return nullptr;
}

const Plugin& PluginHost::get(Kind kind, std::string_view name, Space space) {
  const Candidate* candidate = find(kind, name, space);
  if (!candidate) state_->fail_unknown(kind, name);
  const Plugin& plugin = open(*candidate);
  const auto watched = state_->hook(candidate->file, "asked whether it runs here");
  check_runs(plugin);
  return plugin;
}

const Candidate* PluginHost::find_precision(std::string_view name) const {
  for (const Space space : kSpaces)
    if (const Candidate* candidate = find(Kind::precision, name, space)) return candidate;
  return nullptr;
}

const Plugin& PluginHost::exact_precision(std::string_view name) {
  const Candidate* candidate = find_precision(name);
  if (!candidate) state_->fail_unknown(Kind::precision, name);
  return get(Kind::precision, name, candidate->space);
}

std::string PluginHost::working_alternative(std::string_view name) {
  std::vector<std::string> names = state_->names(Kind::precision);
  std::stable_partition(names.begin(), names.end(), [&](const std::string& other) {
    return type_in_name(other) == type_in_name(name);  // the same rounding contract on another device comes first
  });
  for (const std::string& other : names) try {
      if (other != name) return exact_precision(other).name;
    } catch (const Error&) {
    }
  return {};
}

const Plugin& PluginHost::precision(std::string_view name) {
  if (is_type(name)) {
    note_precisions({std::string(name)});
    return *precision_of_type(name).plugin;
  }
  try {
    return exact_precision(name);
  } catch (const Error& error) {
    const std::string other = find_precision(name) ? working_alternative(name) : "";
    if (other.empty()) throw;
    fail(error.what(), "; --precision ", other, " works here");
  }
}

PluginHost::OfType PluginHost::precision_of_type(std::string_view type) {
  std::string reasons;
  const auto add = [&](const std::string& reason) { reasons += (reasons.empty() ? "" : "; ") + reason; };
  for (const std::string_view device : kDevices) {
    const std::string name = std::string(device).append("-").append(type);
    if (!find_precision(name)) {
      add("no " + name + " plugin here");
      continue;
    }
    try {
      return {&exact_precision(name), reasons};
    } catch (const Error& error) {
      add("not " + name + ": " + error.what());
    }
  }
  fail("no precision ", in_quotes(type), " works here: ", reasons);
}

void PluginHost::note_precisions(const std::vector<std::string>& names) {
  std::vector<SharedReason> groups;
  for (const std::string& type : names) {
    if (!is_type(type) || state_->noted.contains(type)) continue;
    try {
      const OfType found = precision_of_type(type);
      add_reason(groups, type, found.plugin->name, found.reasons);
      state_->noted.insert(type);
    } catch (const Error&) {
    }
  }
  std::string line;
  for (const SharedReason& group : groups) line += (line.empty() ? "" : "; ") + group.text();
  if (!line.empty()) log_info("precision " + line);
}

const Plugin& PluginHost::sampler(std::string_view name, Space where) {
  if (!name.starts_with(kDevicePrefix)) return get(Kind::sampler, name, Space::host);
  const std::string_view plain = name.substr(kDevicePrefix.size());
  if (plain.empty())
    usage_error("--sampler ", name, ": expected the name of a sampler after ", in_quotes(kDevicePrefix));
  if (!find(Kind::sampler, plain, where) && find(Kind::sampler, plain, Space::host))
    usage_error("there is no sampler ", in_quotes(plain), " in ", name_of(where), " memory; --sampler ", plain,
                " works through a copy to the host");
  return get(Kind::sampler, plain, where);
}

const Host& host_services() {
  static constexpr Host services = {&write_log};
  return services;
}

}  // namespace gpt2run
