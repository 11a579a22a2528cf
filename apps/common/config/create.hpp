// The objects that a program's options ask for: its host of plugins, and the object of a plugin with the options that
// are bound to it.
#pragma once
#include <memory>
#include <new>

#include "common/config/config.hpp"
#include "common/program/crash_report.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// Searches the folders of --plugin-dir first; a plugin that crashes is named. Throws as PluginHost's constructor.
inline PluginHost plugin_host(const Configuration& configuration) {
  const std::vector<std::string>& folders = configuration.list("plugin_dir");
  return PluginHost({folders.begin(), folders.end()}, report_crashes);
}

// Runs `call`, which runs the plugin's code, while the host's crash hook knows of it. done: "created". Throws what the
// call throws; an exception that is no Error does not know whose it is, and becomes an Error that names the plugin,
// unless the memory has run out.
template <class Call>
auto watched(const BoundPlugin& bound, const char* done, const Call& call) {
  const auto watch = bound.host ? bound.host->watch(*bound.plugin, done) : nullptr;
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    fail(bound.values.owner(), ": threw an exception when it was ", done, ": ", error.what());
  } catch (...) {
    fail(bound.values.owner(), ": threw something that is no std::exception when it was ", done);
  }
}

// The plugin's object. Base: as the plugin's kind says. Throws as watched(), and Error when the plugin makes nothing.
template <class Base>
std::unique_ptr<Base> create(const BoundPlugin& bound) {
  return watched(bound, "created", [&] {
    std::unique_ptr<Base> object(static_cast<Base*>(bound.plugin->create(bound.values, host_services())));
    if (!object) fail(bound.values.owner(), ": create() returned null: expected an object, or an Error thrown");
    return object;
  });
}

}  // namespace gpt2run
