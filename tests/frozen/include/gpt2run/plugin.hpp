// What a shared library must export to be a plugin: one constant descriptor named gpt2run_plugin.
// The host reads it before it calls any function of the plugin, and refuses another ABI or another standard library by
// number and name. Threads: probe() and create() may be called from any thread, one at a time. Ownership: the caller of
// create() owns the object and deletes it through its base class before the process ends; the library stays loaded.
// Errors: create() throws Error, probe() never throws.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gpt2run/error.hpp"

namespace gpt2run {

inline constexpr uint32_t kAbi = 4;  // the contract's number: equal or refused, until 1.0

enum class Kind : uint8_t { loader, precision, sampler, sink };

// Whose memory a pointer is in. test: a fake device or the kernel executor, never read by the host.
enum class Space : uint8_t { host, cuda, test };

constexpr const char* name_of(Kind kind) {
  constexpr const char* names[] = {"loader", "precision", "sampler", "sink"};
  return static_cast<size_t>(kind) < 4 ? names[static_cast<size_t>(kind)] : "unknown kind";
}
constexpr const char* name_of(Space space) {
  constexpr const char* names[] = {"host", "cuda", "test"};
  return static_cast<size_t>(space) < 3 ? names[static_cast<size_t>(space)] : "unknown space";
}

// One declaration gives default, parser, range check, help and the documentation.
struct OptionSpec {
  const char* key;       // lower case, '_' between words
  const char* type;      // "int", "real", "bool", "text" or "enum"
  const char* fallback;  // the default, as a user would type it
  const char* range;     // int, real: "[0, 1]", "(0, 1]", "[0, inf)"; enum: "a|b|c"; bool, text: ""
  const char* help;      // one line, with the unit
};

// Values that the host has parsed and checked against the specs; reading a key that no spec declares throws Error.
struct Options {
  virtual double real(const char* key) const = 0;
  virtual int64_t integer(const char* key) const = 0;
  virtual bool flag(const char* key) const = 0;
  virtual std::string_view text(const char* key) const = 0;  // text and enum; lives as long as this object

 protected:
  ~Options() = default;
};

// What the host offers a plugin; valid as long as the process lives. level: 0 debug, 1 info, 2 warning. Thread-safe.
struct Host {
  void (*log)(int level, const char* message);
};

#if defined(_GLIBCXX_DEBUG)
inline constexpr char kTag[] = "libstdc++ debug";
#elif defined(__GLIBCXX__) && _GLIBCXX_USE_CXX11_ABI
inline constexpr char kTag[] = "libstdc++ cxx11";  // g++ and clang++ are one
#else
inline constexpr char kTag[] = "unsupported standard library";
#endif

struct Probe {
  int score;           // 0: cannot run here
  const char* reason;  // static text: why not, or what was found
};

// Constant data: reading it runs no plugin code. Identity is (kind, name, space), and the file is
// gpt2run-<kind>-<name>.so, outside host memory gpt2run-<kind>-<name>.<space>.so.
struct Plugin {
  uint32_t abi;     // kAbi
  const char* tag;  // kTag
  Kind kind;
  Space space;
  bool selects;  // samplers: picks the token and leaves the logits unchanged (false: only changes them; dropped =
                 // -infinity)
  const char *name, *version, *summary;
  const OptionSpec* options;
  uint32_t option_count;
  Probe (*probe)();                              // cheap: opens no device context
  void* (*create)(const Options&, const Host&);  // a Loader*, Precision*, Sampler* or Sink*
};

// For Plugin::create. Options live during the call only, Host as long as the process.
template <class Base, class T>
void* make(const Options& options, const Host& host) {
  return static_cast<Base*>(new T(options, host));
}

// For Plugin::probe of a plugin that runs everywhere.
inline Probe runs_everywhere() { return {1, "runs everywhere"}; }

}  // namespace gpt2run

#define GPT2RUN_PLUGIN extern "C" [[gnu::visibility("default")]] constexpr gpt2run::Plugin gpt2run_plugin
