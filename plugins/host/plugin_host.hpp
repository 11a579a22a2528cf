// Finds plugins on disk and opens them. This is the only way from a plugin's name to its code. The list of plugins
// (kind, name, space) is made from file names alone. A library is opened only when it is needed, checked before any of
// its functions is called, and never unloaded.
//
// The folders are searched in this order: --plugin-dir, GPT2RUN_PLUGIN_PATH, the per-user data folder, and the install
// folder relative to the executable; never the current directory. The first folder wins, and a shadowed file is logged.
// Opening a plugin is an error if another file in the same folder has the same identity.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/discovery.hpp"

namespace gpt2run {

// A hook that is called before code of `file` runs. done: what is being done with it, as a participle, such as
// "opened". The result is kept until that code has returned. A program uses this to name the file in a crash report;
// the host itself installs no signal handlers.
using CrashHook = std::function<std::shared_ptr<void>(const std::filesystem::path& file, const std::string& done)>;

// The plugins of a program. Used by one thread at a time.
class PluginHost {
 public:
  // folders: those of --plugin-dir, which are searched first. hook: may be empty. Throws Error naming a given folder
  // that does not exist.
  explicit PluginHost(std::vector<std::filesystem::path> folders = {}, CrashHook hook = {});
  ~PluginHost();

  const std::vector<Candidate>& candidates() const;           // sorted by kind, name, space
  const std::vector<std::filesystem::path>& folders() const;  // in search order
  const std::vector<RejectedFile>& rejected() const;          // files with invalid names

  // Opens a candidate. Checks permissions, the CUDA driver for a CUDA plugin, then library, symbol, ABI, tag, identity
  // and options, in this order. Files that it shadows are logged. Throws Error naming the file and the reason. A
  // library that crashes takes the process with it, after the hook was called.
  const Plugin& open(const Candidate&);

  // Calls the hook for a plugin of this host. The result must be kept while the plugin's code runs; it is null without
  // a hook.
  std::shared_ptr<void> watch(const Plugin&, const std::string& done) const;

  // The candidate with this identity, or null.
  const Candidate* find(Kind, std::string_view name, Space) const;

  // Finds and opens a plugin. Throws UsageError for an unknown name, listing those that exist, and Error with the
  // reason for a plugin that cannot run here (probe score 0).
  const Plugin& get(Kind, std::string_view name, Space space = Space::host);

  // Opens a precision. A type as name tries the devices in order: fp16 tries cuda-fp16, then cpu-fp16, and logs why the
  // first cannot run. fp32 and bf16 work likewise. Any other name is exact. Throws UsageError for an unknown name, and
  // Error for a precision that cannot run here (probe score 0, no driver), with the reason and an alternative that
  // works.
  const Plugin& precision(std::string_view name);

  // Logs in one line what precision() would log for each type among several names, with common reasons written once.
  // Names that cannot be opened are ignored here; precision() reports them.
  void note_precisions(const std::vector<std::string>& names);

  // Opens a sampler. A plain name is the sampler in host memory; `device-name` is the one in the memory space of the
  // logits. where: that memory space. Throws as get() does.
  const Plugin& sampler(std::string_view name, Space where);

 private:
  const Candidate* find_precision(std::string_view name) const;
  const Plugin& exact_precision(std::string_view name);
  struct OfType {
    const Plugin* plugin;
    std::string reasons;  // why devices before it cannot run, or ""
  };
  OfType precision_of_type(std::string_view type);  // throws Error
  // The name of another precision that runs here, or "".
  std::string working_alternative(std::string_view precision);

  struct State;
  std::unique_ptr<State> state_;
};

// The services that plugins get from the program: their messages go to its log on standard error.
const Host& host_services();

}  // namespace gpt2run
