// The descriptor of a plugin: the one constant, named gpt2run_plugin, that a shared library must export to be a plugin.
// The host reads it before it calls any function of the library, and refuses a different ABI number or standard library
// by name.
// Threads: probe() and create() may be called from any thread, but only one thread at a time.
// Ownership: the caller of create() owns the object, and deletes it through its base class before the process ends. The
// library stays loaded.
// Errors: create() throws Error; probe() never throws.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gpt2run/error.hpp"

namespace gpt2run {

inline constexpr uint32_t kAbi = 4;  // number of the contract; until 1.0 plugin and host must have the same

enum class Kind : uint8_t { loader, precision, sampler, sink };

// Where a pointer's memory is. test: the memory of a fake device or of the kernel executor, which the host never reads.
enum class Space : uint8_t { host, cuda, test };

constexpr const char* name_of(Kind kind) {
  constexpr const char* names[] = {"loader", "precision", "sampler", "sink"};
  return static_cast<size_t>(kind) < 4 ? names[static_cast<size_t>(kind)] : "unknown kind";
}
constexpr const char* name_of(Space space) {
  constexpr const char* names[] = {"host", "cuda", "test"};
  return static_cast<size_t>(space) < 3 ? names[static_cast<size_t>(space)] : "unknown space";
}

// One option of a plugin. The default, parser, range check, help text and documentation all come from this declaration.
struct OptionSpec {
  const char* key;       // lower case, '_' between words
  const char* type;      // "int", "real", "bool", "text" or "enum"
  const char* fallback;  // the default, as a user would type it
  const char* range;     // int, real: "[0, 1]", "(0, 1]", "[0, inf)"; enum: "a|b|c"; bool, text: ""
  const char* help;      // one line, with the unit
};

// Option values that the host has parsed and checked against the specs. Reading a key without a spec throws Error.
struct Options {
  virtual double real(const char* key) const = 0;
  virtual int64_t integer(const char* key) const = 0;
  virtual bool flag(const char* key) const = 0;
  virtual std::string_view text(const char* key) const = 0;  // text and enum; lives as long as this object

 protected:
  ~Options() = default;
};

// Services of the host for plugins, valid for the life of the process. level: 0 debug, 1 info, 2 warning. Thread-safe.
struct Host {
  void (*log)(int level, const char* message);
};

#if defined(_GLIBCXX_DEBUG)
inline constexpr char kTag[] = "libstdc++ debug";
#elif defined(__GLIBCXX__) && _GLIBCXX_USE_CXX11_ABI
inline constexpr char kTag[] = "libstdc++ cxx11";  // the same for g++ and clang++
#else
inline constexpr char kTag[] = "unsupported standard library";
#endif

struct Probe {
  int score;           // 0: cannot run here
  const char* reason;  // static text: why it cannot run, or what was found
};

// The descriptor. It is constant data, so reading it runs no code of the plugin. (kind, name, space) identifies a
// plugin. Its file is gpt2run-<kind>-<name>.so, or gpt2run-<kind>-<name>.<space>.so if the space is not host.
struct Plugin {
  uint32_t abi;     // kAbi
  const char* tag;  // kTag
  Kind kind;
  Space space;
  // Samplers: true if it picks the token and leaves the logits unchanged; false if it only changes logits, where
  // -infinity drops a token.
  bool selects;
  const char *name, *version, *summary;
  const OptionSpec* options;
  uint32_t option_count;                         // 256 at most
  Probe (*probe)();                              // cheap: opens no device context
  void* (*create)(const Options&, const Host&);  // a Loader*, Precision*, Sampler* or Sink*
};

// A function for Plugin::create. The options are valid during the call only, the host for the life of the process.
template <class Base, class T>
void* make(const Options& options, const Host& host) {
  return static_cast<Base*>(new T(options, host));
}

// A function for Plugin::probe, for a plugin that runs everywhere.
inline Probe runs_everywhere() { return {1, "runs everywhere"}; }

}  // namespace gpt2run

// Clang's AddressSanitizer would make the constant larger than its type.
#if defined(__clang__)
#define GPT2RUN_PLUGIN_BARE [[clang::no_sanitize("address")]]
#else
#define GPT2RUN_PLUGIN_BARE
#endif
#define GPT2RUN_PLUGIN \
  extern "C" [[gnu::visibility("default")]] GPT2RUN_PLUGIN_BARE constexpr gpt2run::Plugin gpt2run_plugin
