// The object of a plugin, made with the options that are bound to it.
#pragma once
#include <memory>

#include "common/config/config.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// Runs `call`, which runs the plugin's code, while the host's crash hook knows of it. done: "created".
template <class Call>
auto watched(const BoundPlugin& bound, const char* done, const Call& call) {
  const auto watch = bound.host ? bound.host->watch(*bound.plugin, done) : nullptr;
  return call();
}

// The plugin's object. Base: as the plugin's kind says. Throws what the plugin throws, and Error when it makes nothing.
template <class Base>
std::unique_ptr<Base> create(const BoundPlugin& bound) {
  return watched(bound, "created", [&] {
    std::unique_ptr<Base> object(static_cast<Base*>(bound.plugin->create(bound.values, host_services())));
    if (!object) fail(bound.values.owner(), ": create() returned null: expected an object, or an Error thrown");
    return object;
  });
}

}  // namespace gpt2run
