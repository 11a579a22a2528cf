// The checks of a sink: it leaves nothing half-written, and accepts events as the contract describes them.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "conformance/checks.hpp"
#include "gpt2run/sdk/network.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run::conformance {
namespace {

namespace fs = std::filesystem;

constexpr int kVocab = 5;
constexpr std::array<int32_t, 2> kPromptTokens = {1, 2};
constexpr std::array<float, kVocab> kRow = {0.5f, -1.0f, 2.0f, 0.0f, -3.0f};
constexpr char kManifest[] =
    R"({"model": {"config": {"L": 2, "H": 2, "C": 4, "F": 6, "V": 5}}, "options": {"seed": 42}})";
constexpr char kSummary[] = R"({"sequences": 2})";

// Replaces the working folder by an empty one and discards standard output during its lifetime, because a sink with
// default options may write to both.
class Playground {
 public:
  Playground() : before_(fs::current_path()), standard_output_(dup(STDOUT_FILENO)) {
    std::string pattern = (fs::temp_directory_path() / "gpt2run-check-XXXXXX").string();
    if (!mkdtemp(pattern.data())) fail(pattern, ": cannot be made");
    folder_ = pattern;
    fs::current_path(folder_);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDOUT_FILENO);
    close(nowhere);
  }
  ~Playground() {
    std::cout.flush();
    std::fflush(stdout);
    dup2(standard_output_, STDOUT_FILENO);
    close(standard_output_);
    std::error_code ignored;
    fs::current_path(before_, ignored);
    fs::remove_all(folder_, ignored);
  }
  Playground(const Playground&) = delete;
  Playground& operator=(const Playground&) = delete;

  std::string content() const {
    std::string names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_))
      if (!entry.is_directory()) names.append(" ").append(entry.path().lexically_relative(folder_).string());
    return names;
  }

 private:
  fs::path before_, folder_;
  int standard_output_;
};

struct Words final : Vocabulary {
  std::string_view piece(int32_t id) const override { return id == 4 ? "\xff\"" : ""; }
};

TokenEvent event_of(uint32_t wants, uint64_t sequence, int32_t step) {
  static const Words words;
  const bool is_prompt = step < 0;
  TokenEvent event{};
  event.sequence = sequence;
  event.step = step;
  event.position = is_prompt ? 0 : static_cast<int32_t>(kPromptTokens.size()) + step;
  event.id = 3;
  event.text = is_prompt ? "" : " word\"\n";
  event.logprob = wants & kLogprob ? -1.25f : std::nanf("");
  event.logits = wants & kLogits ? kRow.data() : nullptr;
  event.vocab = kVocab;
  event.vocabulary = step < 2 ? &words : nullptr;  // a model may have no tokenizer
  return event;
}

// A model's end that gives every row the same logits.
struct SameLogits final : Readout {
  void logits(const float*, int rows, float* logits) const override {
    for (int r = 0; r < rows; ++r) std::copy(kRow.begin(), kRow.end(), logits + r * kVocab);
  }
};

// The values that an operation writes for each row, in a model of 2 layers, 4 channels, 2 heads and an MLP of 6.
int cols_of(Op op, std::span<const TensorRow> owners) {
  if (op == Op::attention_weights) return 2 * (owners.back().position + 1);
  if (op == Op::norm_qkv) return 12;
  if (op == Op::norm_up_gelu) return 6;
  return op == Op::norm_logits ? kVocab : 4;
}

// Shows the sink what a step of these rows writes: all operations that it wants.
void show(Sink& sink, std::span<const TensorRow> owners) {
  static const Words words;
  const SameLogits readout;
  bool wanted[kTapOps];
  for (int op = 0; op < kTapOps; ++op) wanted[op] = sink.taps(name_of(static_cast<Op>(op)));
  const auto write = [&](Op op, int32_t layer) {
    if (!wanted[static_cast<size_t>(op)]) return;
    const auto rows = static_cast<int32_t>(owners.size());
    const int cols = cols_of(op, owners);
    std::vector<float> values(owners.size() * cols);
    for (size_t i = 0; i < values.size(); ++i) values[i] = 0.5f - static_cast<float>(i % 7);
    sink.tensor({name_of(op), layer, values.data(), rows, cols, owners.data(), &readout, kVocab, &words});
  };
  write(Op::embed, -1);
  for (int32_t layer = 0; layer < 2; ++layer)
    for (const Op op :
         {Op::norm_qkv, Op::attention_weights, Op::attention, Op::project_add, Op::norm_up_gelu, Op::down_add})
      write(op, layer);
  write(Op::norm_logits, -1);
}

void feed(Sink& sink, uint64_t sequence) {
  const uint32_t wants = sink.wants();
  sink.start(sequence, "a prompt", kPromptTokens);
  const TensorRow prompt[] = {{sequence, 0, kPromptTokens[0]}, {sequence, 1, kPromptTokens[1]}};
  if (wants & kTaps) show(sink, prompt);
  if (wants & kPrompt) sink.token(event_of(wants, sequence, -1));
  for (int step = 0; step < 3; ++step) {
    const TensorRow row = {sequence, static_cast<int32_t>(kPromptTokens.size()) + step - 1, 3};
    if ((wants & kTaps) && step > 0) show(sink, {&row, 1});
    if (wants & kTimes) sink.step({step, 1, 1, {0.1f, 1.5f, 0.1f, 0.2f, 0.1f}});
    sink.token(event_of(wants, sequence, step));
  }
}

void check_wants(const Plugin& plugin) {
  const uint32_t wants = create<Sink>(plugin)->wants();
  const uint32_t all = kLogprob | kLogits | kTimes | kAnyOrder | kPrompt | kTaps;
  require((wants & ~all) == 0, "unknown bits in ", wants);
  require(!(wants & kLogits) || (wants & kAnyOrder), "kLogits needs kAnyOrder: core buffers no logits");
  require(!(wants & kTaps) || (wants & kAnyOrder), "kTaps needs kAnyOrder: core buffers no tensors");
}

void check_abandoned(const Plugin& plugin, bool finished) {
  const Playground playground;
  {
    const auto sink = create<Sink>(plugin);
    sink->begin(kManifest);
    feed(*sink, 0);
    if (finished) sink->finish(0, "tail", "length");
  }
  require(playground.content().empty(), "left behind:", playground.content());
}

void check_whole_run(const Plugin& plugin) {
  const Playground playground;
  const auto sink = create<Sink>(plugin);
  sink->begin(kManifest);
  for (const uint64_t sequence : {0, 1}) {
    feed(*sink, sequence);
    sink->finish(sequence, "", sequence == 0 ? "length" : "stop");
  }
  sink->end(kSummary);
}

void check_any_order(const Plugin& plugin) {
  if (!(create<Sink>(plugin)->wants() & kAnyOrder)) throw Skipped("it takes sequences in their order");
  const Playground playground;
  const auto sink = create<Sink>(plugin);
  sink->begin(kManifest);
  feed(*sink, 1);
  feed(*sink, 0);
  sink->finish(1, "", "end_of_text");
  sink->finish(0, "", "length");
  sink->end(kSummary);
}

}  // namespace

void check_sink(Report& report, const Plugin& plugin) {
  report.check("wants() has known bits that go together", [&] { check_wants(plugin); });
  report.check("destroyed unused it leaves nothing", [&] {
    const Playground playground;
    create<Sink>(plugin);
    require(playground.content().empty(), "left behind:", playground.content());
  });
  report.check("destroyed within a sequence it leaves nothing", [&] { check_abandoned(plugin, false); });
  report.check("destroyed without end() it leaves nothing", [&] { check_abandoned(plugin, true); });
  report.check("it takes a run of two sequences", [&] { check_whole_run(plugin); });
  report.check("it takes sequences in any order, as it declares", [&] { check_any_order(plugin); });
}

}  // namespace gpt2run::conformance
