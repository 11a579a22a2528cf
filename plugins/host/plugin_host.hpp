// Finds plugins on disk and opens them: the only door between names and code. File names alone make the list (kind,
// name, space); a library is opened only when it is asked for, checked before any function of it is called, and never
// unloaded.
// Search order: --plugin-dir, GPT2RUN_PLUGIN_PATH, the per-user data folder, the install folder relative to the
// executable; never the current directory. The first folder wins, the shadowed file is logged; two of one identity in
// one folder are an error.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/discovery.hpp"

namespace gpt2run {

// Told that code of `file` is about to run, and what is being done with it ("opened"). What it returns lives until that
// code has returned. A program reports a crash meanwhile with the file's name; the host itself touches no signals.
using CrashHook = std::function<std::shared_ptr<void>(const std::filesystem::path& file, const std::string& done)>;

class PluginHost {
 public:
  // folders: of --plugin-dir, searched first. hook: may be empty. Throws Error naming a folder that was given and is
  // not there.
  explicit PluginHost(std::vector<std::filesystem::path> folders = {}, CrashHook hook = {});
  ~PluginHost();

  const std::vector<Candidate>& candidates() const;           // sorted by kind, name, space
  const std::vector<std::filesystem::path>& folders() const;  // in search order
  const std::vector<RejectedFile>& rejected() const;          // by their names alone

  // Opens a candidate: permissions, library, symbol, ABI, tag, identity and options are checked in this order; one for
  // CUDA only where there is a CUDA driver. Throws Error with file and reason. Logs the files that it shadows. A
  // library that crashes takes the process with it; the hook is told before.
  const Plugin& open(const Candidate&);

  // Calls the hook for a plugin of this host: keep the result while the plugin's code runs. Null without a hook.
  std::shared_ptr<void> watch(const Plugin&, const std::string& done) const;

  // The candidate of that identity, or null.
  const Candidate* find(Kind, std::string_view name, Space) const;

  // find + open; an unknown name is an Error that lists what there is, and so is one that cannot run here (probe score
  // 0), with its reason.
  const Plugin& get(Kind, std::string_view name, Space space = Space::host);

  // fp32, fp16, bf16: `fp16` tries exactly cuda-fp16, then cpu-fp16, and logs why the others cannot; any other name is
  // exact, and one that cannot run here (probe score 0, no driver) is an Error with its reason and a working
  // alternative.
  const Plugin& precision(std::string_view name);

  // Looks for several precisions at once, so that what precision() would log of bare types, one line each, is one line
  // with what is alike said once. Of names that cannot be had nothing is said: precision() does.
  void note_precisions(const std::vector<std::string>& names);

  // name, `device-name`: `device-` means in the memory where the logits are (where). Behind a device a plain name is
  // the host sampler.
  const Plugin& sampler(std::string_view name, Space where);

 private:
  const Candidate* find_precision(std::string_view name) const;
  const Plugin& exact_precision(std::string_view name);
  struct OfType {
    const Plugin* plugin;
    std::string reasons;  // why not another device, "" where there is none before it
  };
  OfType precision_of_type(std::string_view type);              // throws Error
  std::string working_alternative(std::string_view precision);  // the name of another one that runs here, or ""

  struct State;
  std::unique_ptr<State> state_;
};

// What plugins get: messages go to the application's log on stderr.
const Host& host_services();

}  // namespace gpt2run
