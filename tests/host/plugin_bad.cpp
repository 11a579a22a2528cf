// A bad sampler or sink. Its own file's name, gpt2run-<kind>-<case>.so, says what is wrong with it, so one library and
// copies of it serve for all cases: its initialiser changes the descriptor, which is no constant here.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include "gpt2run/sdk/select.hpp"
#include "gpt2run/sink.hpp"

using namespace gpt2run;

extern "C" [[gnu::visibility("default")]] Plugin gpt2run_plugin;

namespace {

constexpr OptionSpec kTwice[] = {{"k", "int", "1", "", "a number"}, {"k", "bool", "on", "", "a switch"}};
constexpr OptionSpec kEscapes[] = {{"k", "text", "\x1b[5m", "", "\x1b]0;title\x07 and \x1b[2J"}};

std::string file, bad;  // bad: the case

struct Own {};

volatile uintptr_t nowhere = 64;  // volatile, so that the compiler does not see through what follows
volatile size_t most = size_t{1} << 60;

void act(const char* when) {
  const auto is = [&](const char* what) { return bad == std::string(what) + "-" + when; };
  if (is("throws")) throw std::out_of_range("there is no place 8");
  if (is("throws-odd")) throw Own();
  if (is("exits")) _exit(0);
  if (is("quits")) std::exit(0);
  if (is("deletes-itself")) unlink(file.c_str());
  if (is("writes-wild")) *reinterpret_cast<volatile int*>(nowhere) = 1;
  if (is("closes-files")) close(STDOUT_FILENO), close(STDERR_FILENO);
  if (is("takes-memory")) operator delete(operator new(most));
  if (is("throws-in-thread")) std::thread([] { throw std::runtime_error("nobody catches this"); }).join();
  if (is("never-returns"))
    while (true) pause();
}

struct BadSampler final : Sampler {
  BadSampler(const Options&, const Host&) { act("in-create"); }
  ~BadSampler() override { act("in-destructor"); }
  void sample(const LogitBatch& batch) override {
    act("in-sample");
    for (int32_t row = 0; row < batch.rows; ++row)
      choice_of(batch, row) = bad == "takes-no-token" ? 999999 : select_argmax(logits_of(batch, row));
  }
};

struct BadSink final : Sink {
  BadSink(const Options&, const Host&) {}
  uint32_t wants() const override { return 0; }
  void token(const TokenEvent&) override { act("in-token"); }
};

void* make_nothing(const Options&, const Host&) { return nullptr; }

void begin() {
  Dl_info info{};
  dladdr(&gpt2run_plugin, &info);
  file = info.dli_fname;
  const bool is_sink = file.find("gpt2run-sink-") != std::string::npos;
  const size_t name = file.rfind(is_sink ? "sink-" : "sampler-") + (is_sink ? 5 : 8);
  bad = file.substr(name, file.size() - name - 3);
  Plugin& it = gpt2run_plugin;
  it = {kAbi,
        kTag,
        is_sink ? Kind::sink : Kind::sampler,
        Space::host,
        true,
        bad.c_str(),
        "1",
        "a bad",
        nullptr,
        0,
        runs_everywhere,
        is_sink ? make<Sink, BadSink> : make<Sampler, BadSampler>};
  if (is_sink) it.selects = false;
  if (bad == "other-abi") it.abi = 3;
  if (bad == "no-create") it.create = nullptr;
  if (bad == "no-name") it.name = nullptr;
  if (bad == "no-version") it.version = nullptr;
  if (bad == "no-summary") it.summary = nullptr;
  if (bad == "other-kind") it.kind = Kind::sink;
  if (bad == "spaced-name") it.name = "spaced name";
  if (bad == "slash-name") it.name = "../slash-name";
  if (bad == "escape-name") it.name = "\x1b[31mescape-name";
  if (bad == "escape-texts") it.version = it.summary = "\x1b[2Jgone\x07", it.options = kEscapes, it.option_count = 1;
  if (bad == "many-options") it.options = kTwice, it.option_count = 300'000;
  if (bad == "null-options") it.option_count = 3;
  if (bad == "option-twice") it.options = kTwice, it.option_count = 2;
  if (bad == "makes-nothing") it.create = make_nothing;
  act("at-open");
}

struct AtOpen {
  AtOpen() { begin(); }
} at_open;

}  // namespace

Plugin gpt2run_plugin;
