// Loading a built plugin in a test: dlopen, the constant gpt2run_plugin, and options filled from its own specs. It
// makes none of the host's decisions (search, refusal, parsing of ranges); tests of those use plugins/host. Libraries
// are never closed. Throws std::runtime_error, so that tests can tell it from a plugin's own Error.
#pragma once
#include <dlfcn.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gpt2run/plugin.hpp"

namespace gpt2run::test {

using OptionValues = std::map<std::string, std::string>;

// The default of every declared option, overridden by the given values. Throws for a key that is not declared.
class PluginOptions final : public Options {
 public:
  explicit PluginOptions(const Plugin& plugin, const OptionValues& given = {}) {
    for (uint32_t i = 0; i < plugin.option_count; ++i) values_[plugin.options[i].key] = plugin.options[i].fallback;
    for (const auto& [key, value] : given) {
      find(key.c_str());
      values_[key] = value;
    }
  }
  double real(const char* key) const override { return std::strtod(find(key).c_str(), nullptr); }
  int64_t integer(const char* key) const override { return std::strtoll(find(key).c_str(), nullptr, 10); }
  bool flag(const char* key) const override {
    const std::string& value = find(key);
    return value == "on" || value == "true" || value == "yes" || value == "1";
  }
  std::string_view text(const char* key) const override { return find(key); }

 private:
  const std::string& find(const char* key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) throw std::runtime_error(std::string("no option spec declares ") + key);
    return found->second;
  }

  OptionValues values_;
};

// The messages that plugins have logged, one line each: "<level> <message>".
class PluginLog {
 public:
  static PluginLog& instance() {
    static PluginLog log;
    return log;
  }
  static void write(int level, const char* message) {
    PluginLog& log = instance();
    const std::lock_guard guard(log.mutex_);
    log.lines_.push_back(std::to_string(level) + " " + message);
  }
  std::vector<std::string> take() {
    const std::lock_guard guard(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

inline constexpr Host kTestHost = {&PluginLog::write};

// Returns the descriptor in a plugin file, which stays loaded.
inline const Plugin& load_plugin_file(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(dlerror());
  const void* symbol = dlsym(library, "gpt2run_plugin");
  if (!symbol) throw std::runtime_error(path + " exports no gpt2run_plugin");
  return *static_cast<const Plugin*>(symbol);
}

#ifdef BINARY_DIR
// The folder of this build's plugins, or the one that GPT2RUN_TEST_PLUGINS names: for a test that has been carried to
// another machine.
inline std::string plugin_folder() {
  const char* other = std::getenv("GPT2RUN_TEST_PLUGINS");
  return other && *other ? other : BINARY_DIR "/lib/gpt2run";
}

// Returns the descriptor of a plugin of this build. The test's CMakeLists.txt must depend on the plugin's target.
inline const Plugin& load_plugin(Kind kind, const std::string& name, Space space = Space::host) {
  const std::string suffix = space == Space::host ? "" : std::string(".") + name_of(space);
  return load_plugin_file(plugin_folder() + "/gpt2run-" + name_of(kind) + "-" + name + suffix + ".so");
}

// Makes an object of such a plugin: make_plugin<Precision>(Kind::precision, "reference", {{"type", "fp16"}}).
template <class Base>
std::unique_ptr<Base> make_plugin(Kind kind, const std::string& name, const OptionValues& given = {},
                                  Space space = Space::host) {
  const Plugin& plugin = load_plugin(kind, name, space);
  const PluginOptions options(plugin, given);
  return std::unique_ptr<Base>(static_cast<Base*>(plugin.create(options, kTestHost)));
}
#endif

}  // namespace gpt2run::test
