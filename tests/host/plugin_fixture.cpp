// One plugin, good unless a definition breaks it: FIXTURE_ABI, FIXTURE_TAG, FIXTURE_KIND, FIXTURE_SPACE, FIXTURE_NAME,
// FIXTURE_SUMMARY, FIXTURE_OPTIONS, FIXTURE_PROBE and FIXTURE_CREATE replace fields, FIXTURE_AT_OPEN is called when
// the library is opened.
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "gpt2run/loader.hpp"
#include "gpt2run/plugin.hpp"

#ifndef FIXTURE_ABI
#define FIXTURE_ABI gpt2run::kAbi
#endif
#ifndef FIXTURE_TAG
#define FIXTURE_TAG gpt2run::kTag
#endif
#ifndef FIXTURE_KIND
#define FIXTURE_KIND sampler
#endif
#ifndef FIXTURE_SPACE
#define FIXTURE_SPACE host
#endif
#ifndef FIXTURE_SUMMARY
#define FIXTURE_SUMMARY "a plugin for tests"
#endif
#ifndef FIXTURE_OPTIONS
#define FIXTURE_OPTIONS kGood
#endif
#ifndef FIXTURE_PROBE
#define FIXTURE_PROBE gpt2run::runs_everywhere
#endif
#ifndef FIXTURE_CREATE
#define FIXTURE_CREATE create
#endif

namespace {

using gpt2run::OptionSpec;

[[maybe_unused]] constexpr OptionSpec kGood[] = {{"strength", "real", "0.5", "[0, 1]", "how much"}};
[[maybe_unused]] constexpr OptionSpec kBadType[] = {{"k", "float", "1", "", ""}};
[[maybe_unused]] constexpr OptionSpec kBadRange[] = {{"k", "int", "1", "1 to 3", ""}};
[[maybe_unused]] constexpr OptionSpec kBadFallback[] = {{"k", "real", "2", "(0, 1]", ""}};
[[maybe_unused]] constexpr OptionSpec kBadChoice[] = {{"k", "enum", "c", "a|b", ""}};
[[maybe_unused]] constexpr OptionSpec kBadKey[] = {{"Top-P", "int", "1", "", ""}};
[[maybe_unused]] constexpr OptionSpec kNullHelp[] = {{"k", "int", "1", "", nullptr}};
[[maybe_unused]] constexpr OptionSpec kDoubleKey[] = {{"k", "int", "1", "", ""}, {"k", "bool", "on", "", ""}};

[[maybe_unused]] gpt2run::Probe never() { return {0, "it needs a moon that is full"}; }
[[maybe_unused]] gpt2run::Probe quit() { std::exit(0); }
[[maybe_unused]] void* create(const gpt2run::Options&, const gpt2run::Host&) {
  gpt2run::fail("fixtures make no objects");
}
[[maybe_unused]] void* create_nothing(const gpt2run::Options&, const gpt2run::Host&) { return nullptr; }
[[maybe_unused]] void* crash_in_create(const gpt2run::Options&, const gpt2run::Host&) { std::abort(); }

struct CrashingLoader final : gpt2run::Loader {
  CrashingLoader(const gpt2run::Options&, const gpt2run::Host&) {}
  int probe(const char*) const override { return std::raise(SIGSEGV); }
  std::unique_ptr<gpt2run::Checkpoint> open(const char*) override { return nullptr; }
};
[[maybe_unused]] constexpr auto* create_crashing_loader = gpt2run::make<gpt2run::Loader, CrashingLoader>;

extern "C" void gpt2run_defined_nowhere();
[[maybe_unused]] void crash() { std::abort(); }
[[maybe_unused]] void leave() { std::_Exit(3); }
[[maybe_unused]] void hang() {
  while (true) pause();
}

#ifdef FIXTURE_AT_OPEN
struct AtOpen {
  AtOpen() { FIXTURE_AT_OPEN(); }
} at_open;
#endif

}  // namespace

GPT2RUN_PLUGIN = {FIXTURE_ABI,
                  FIXTURE_TAG,
                  gpt2run::Kind::FIXTURE_KIND,
                  gpt2run::Space::FIXTURE_SPACE,
                  true,
                  FIXTURE_NAME,
                  "1.2.3",
                  FIXTURE_SUMMARY,
                  FIXTURE_OPTIONS,
                  sizeof FIXTURE_OPTIONS / sizeof(OptionSpec),
                  FIXTURE_PROBE,
                  FIXTURE_CREATE};
