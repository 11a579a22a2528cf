// A bad plugin of any kind. Its own file's name, gpt2run-<kind>-<case>.so, says what is wrong with it, so one library
// and copies of it serve for all cases: its initialiser changes the descriptor, which is no constant here.
#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gpt2run/precision.hpp"
#include "gpt2run/sdk/select.hpp"
#include "gpt2run/sink.hpp"

using namespace gpt2run;

extern "C" [[gnu::visibility("default")]] GPT2RUN_PLUGIN_BARE Plugin gpt2run_plugin;

namespace {

constexpr OptionSpec kTwice[] = {{"k", "int", "1", "", "a number"}, {"k", "bool", "on", "", "a switch"}};
constexpr OptionSpec kEscapes[] = {{"k", "text", "\x1b[5m", "", "\x1b]0;title\x07 and \x1b[2J"}};

std::string file, bad;  // bad: the case

struct Own {};

volatile uintptr_t nowhere = 64;  // volatile, so that the compiler does not see through what follows
volatile size_t most = size_t{1} << 60;

// Fills the stack: with its own frames, or beside small ones by the large one of a function of the C library.
int fill(int depth) {
  volatile char text[1000] = {};
  text[depth % 1000] = 1;
  return depth < 0 ? 0 : fill(depth + 1) + text[depth % 1000];
}
int fill_below(int depth) {
  static char path[PATH_MAX];
  volatile bool is_found = realpath("/", path);
  return depth < 0 ? 0 : fill_below(depth + 1) + is_found;
}

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
  if (is("overflows")) nowhere = uintptr_t(fill(1));
  if (is("overflows-below")) nowhere = uintptr_t(fill_below(1));
  if (is("overflows-in-thread")) std::thread([] { nowhere = uintptr_t(fill(1)); }).join();
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

struct BadLoader final : Loader {
  BadLoader(const Options&, const Host&) {}
  int probe(const char*) const override { return act("in-probe"), 0; }
  std::unique_ptr<Checkpoint> open(const char*) override { return act("in-open"), nullptr; }
};

// Steps do nothing but harm.
struct BadSession final : Session {
  BadSession(const Checkpoint& checkpoint, const Limits& limits)
      : logits(size_t(limits.logit_rows) * size_t(checkpoint.config().V)),
        tokens(size_t(limits.slots) * size_t(limits.context + 1)),
        logprobs(tokens.size()),
        keys(size_t(limits.logit_rows)) {
    batch = {
        logits.data(), logits.data(), checkpoint.config().V, limits.logit_rows,  checkpoint.config().V, limits.slots,
        keys.data(),   tokens.data(), logprobs.data(),       limits.context + 1, Space::host,           0,
        nullptr};
  }
  const Traits& traits() const override { return declared; }
  LogitBatch layout() const override { return batch; }
  void start(int, const Start&) override {}
  LogitBatch step(std::span<const Row>) override { return act("in-step"), batch; }
  void score(const LogitBatch&) override {}
  void read(const void*, void*, size_t) override {}
  void write(const void*, void*, size_t) override {}

  Traits declared{};
  std::vector<float> logits;
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  std::vector<RowKey> keys;
  LogitBatch batch;
};

struct BadPrecision final : Precision {
  BadPrecision(const Options&, const Host&) {}
  std::unique_ptr<Session> open(const Checkpoint& checkpoint, const Limits& limits) override {
    act("in-open");
    if (bad == "opens-nothing") return nullptr;
    return std::make_unique<BadSession>(checkpoint, limits);
  }
};

void* make_nothing(const Options&, const Host&) { return nullptr; }

struct Maker {
  Kind kind;
  decltype(Plugin::create) create;
};
constexpr Maker kMakers[] = {{Kind::loader, make<Loader, BadLoader>},
                             {Kind::precision, make<Precision, BadPrecision>},
                             {Kind::sampler, make<Sampler, BadSampler>},
                             {Kind::sink, make<Sink, BadSink>}};

void begin() {
  Dl_info info{};
  dladdr(&gpt2run_plugin, &info);
  file = info.dli_fname;
  Maker maker{};
  for (const Maker& one : kMakers) {
    const std::string start = std::string("/gpt2run-") + name_of(one.kind) + "-";
    const size_t at = file.rfind(start);
    if (at == std::string::npos) continue;
    maker = one;
    bad = file.substr(at + start.size(), file.size() - at - start.size() - 3);
  }
  Plugin& it = gpt2run_plugin;
  it = {kAbi,    kTag, maker.kind,      Space::host, maker.kind == Kind::sampler, bad.c_str(), "1", "a bad one",
        nullptr, 0,    runs_everywhere, maker.create};
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
  ~AtOpen() { act("at-end"); }
} at_open;

}  // namespace

Plugin gpt2run_plugin;
