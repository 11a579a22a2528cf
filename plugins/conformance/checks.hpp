// The checks of the conformance kit, with one function for each kind of plugin. They run in the processes of
// conformance/report.hpp, one check in each. The plugin was opened and its descriptor checked before, and it stays
// loaded.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "conformance/report.hpp"
#include "host/options.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run::conformance {

// All options of a plugin at their defaults.
inline OptionValues default_options(const Plugin& plugin) {
  return {plugin.name, {plugin.options, plugin.option_count}};
}

// Creates an object of the plugin. Throws Error when it returns null.
template <class Base>
std::unique_ptr<Base> create(const Plugin& plugin, const Options& options) {
  std::unique_ptr<Base> object(static_cast<Base*>(plugin.create(options, host_services())));
  if (!object) fail("create() returned null: expected an object, or an Error thrown");
  return object;
}

// The same with default options.
template <class Base>
std::unique_ptr<Base> create(const Plugin& plugin) {
  return create<Base>(plugin, default_options(plugin));
}

// Checks the file: its exports and the libraries that it links.
void check_file(Report&, const std::filesystem::path& file);

// Checks what the descriptor states. Returns false if no objects can be created, so that nothing else can be checked.
bool check_descriptor(Report&, const Plugin&);

// precision: a precision in the sampler's memory space, in whose sessions the sampler is checked. Null for host memory,
// for which the kit has its own.
void check_sampler(Report&, const Plugin&, const Plugin* precision);
void check_sink(Report&, const Plugin&);
void check_loader(Report&, const Plugin&);
void check_precision(Report&, const Plugin&);

}  // namespace gpt2run::conformance
