// The checks of the kit, one function a kind; each prints one line a check. The plugin stays loaded; it has been opened
// and its descriptor checked.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "conformance/report.hpp"
#include "host/options.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run::conformance {

inline OptionValues default_options(const Plugin& plugin) {
  return {plugin.name, {plugin.options, plugin.option_count}};
}

// A fresh object.
template <class Base>
std::unique_ptr<Base> create(const Plugin& plugin, const Options& options) {
  std::unique_ptr<Base> object(static_cast<Base*>(plugin.create(options, host_services())));
  if (!object) fail("create() returned null: expected an object, or an Error thrown");
  return object;
}

// A fresh object with default options.
template <class Base>
std::unique_ptr<Base> create(const Plugin& plugin) {
  return create<Base>(plugin, default_options(plugin));
}

void check_file(Report&, const std::filesystem::path& file);
// False: it makes no objects, so that nothing of its kind can be checked.
bool check_descriptor(Report&, const Plugin&);
// lender: a precision of the sampler's memory space, in whose sessions it works; null for host memory, of which the kit
// has its own.
void check_sampler(Report&, const Plugin&, const Plugin* lender);
void check_sink(Report&, const Plugin&);
void check_loader(Report&, const Plugin&);
void check_precision(Report&, const Plugin&);

}  // namespace gpt2run::conformance
