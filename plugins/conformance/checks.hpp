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

// A fresh object with default options.
template <class Base>
std::unique_ptr<Base> create(const Plugin& plugin) {
  const OptionValues defaults(plugin.name, {plugin.options, plugin.option_count});
  std::unique_ptr<Base> object(static_cast<Base*>(plugin.create(defaults, host_services())));
  if (!object) fail("create() returned null: expected an object, or an Error thrown");
  return object;
}

void check_file(Report&, const std::filesystem::path& file);
// False: it makes no objects, so that nothing of its kind can be checked.
bool check_descriptor(Report&, const Plugin&);
void check_sampler(Report&, const Plugin&);  // of host memory
void check_sink(Report&, const Plugin&);
void check_loader(Report&, const Plugin&);
void check_precision(Report&, const Plugin&);  // of host memory

}  // namespace gpt2run::conformance
