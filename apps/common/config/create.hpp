// Creation of the objects that a program's options name: its plugin host, and the object of a plugin with the options
// that are bound to it.
#pragma once
#include <memory>
#include <new>
#include <type_traits>

#include "common/config/config.hpp"
#include "common/program/crash_report.hpp"
#include "gpt2run/precision.hpp"
#include "gpt2run/sampler.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// The plugin host of a program. It searches the folders of --plugin-dir first, and names the file of a plugin that
// crashes. Throws as PluginHost's constructor does.
inline PluginHost plugin_host(const Configuration& configuration) {
  const std::vector<std::string>& folders = configuration.list("plugin_dir");
  return PluginHost({folders.begin(), folders.end()}, report_crashes);
}

// Runs `call`, which executes code of a plugin. owner: the plugin, such as "sampler nucleus". done: what is being done
// with it, as a participle, such as "created". Error and std::bad_alloc pass through. Any other exception becomes an
// Error that names the plugin, because its text alone would not say where it comes from.
template <class Call>
auto name_exceptions(const std::string& owner, const char* done, const Call& call) {
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    fail(owner, ": threw an exception when it was ", done, ": ", error.what());
  } catch (...) {
    fail(owner, ": threw something that is no std::exception when it was ", done);
  }
}

// The same for code that needs little memory: std::bad_alloc becomes an Error, too.
template <class Call>
auto name_all_exceptions(const std::string& owner, const char* done, const Call& call) {
  try {
    return name_exceptions(owner, done, call);
  } catch (const std::bad_alloc&) {
    fail(owner, ": found not enough memory when it was ", done);
  }
}

// As name_exceptions(), under the plugin host's crash hook.
template <class Call>
auto call_named(const BoundPlugin& bound, const char* done, const Call& call) {
  const auto watch = bound.host ? bound.host->watch(*bound.plugin, done) : nullptr;
  return name_exceptions(bound.values.owner(), done, call);
}

// Creates the plugin's object. Base must be the interface of the plugin's kind. Throws as name_all_exceptions() does,
// and Error when the plugin returns null. An Error of the plugin's create() is a UsageError here: it sees nothing but
// its options. That of a precision names the precision, as there may be several.
template <class Base>
std::unique_ptr<Base> create(const BoundPlugin& bound) {
  const auto watch = bound.host ? bound.host->watch(*bound.plugin, "created") : nullptr;
  return name_all_exceptions(bound.values.owner(), "created", [&] {
    std::unique_ptr<Base> object;
    try {
      object.reset(static_cast<Base*>(bound.plugin->create(bound.values, host_services())));
    } catch (const Error& error) {
      if constexpr (std::is_same_v<Base, Precision>)
        usage_error(to_text({bound.plugin->name, bound.spec.options}), ": ", error.what());
      throw UsageError(error.what());
    }
    if (!object) fail(bound.values.owner(), ": create() returned null: expected an object, or an Error thrown");
    return object;
  });
}

}  // namespace gpt2run
