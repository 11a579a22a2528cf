// The checks of taps: what they see, and that a session computes with the values that they change.
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "conformance/precision_checks.hpp"
#include "gpt2run/sdk/network.hpp"

namespace gpt2run::conformance {
namespace {

// Sees the operations of a pass, which attention_weights is not.
struct SeenTensors final : Tap {
  std::set<std::string> ops;
  std::string only;  // the only operation that it wants; "" for all
  bool sizes_fit = true;
  bool wants(const char* op) const override { return only.empty() ? Tap::wants(op) : only == op; }
  bool tensor(const char* op, int, float* host, int rows, int cols) override {
    ops.insert(op);
    sizes_fit = sizes_fit && host && rows >= 1 && rows <= 5 && cols >= 1;
    return false;
  }
};

void check_tap(const Opened& opened) {
  const auto session = opened.session(), plain = opened.session();
  SeenTensors tap;
  if (!session->tap(&tap)) throw Skipped("it has no taps");
  const Floats tapped = fill(*session, 0, 5, 5);
  require(tap.ops.size() == 7, "the tap saw ", tap.ops.size(), " operations, expected 7");
  require(tap.sizes_fit, "a tensor of the tap has no data or odd sizes");
  const std::string one = *tap.ops.begin();
  tap.ops.clear(), tap.only = one;
  require(session->tap(&tap), "it took a tap, and another time it did not");
  fill(*session, 1, 5, 5);
  require(tap.ops == std::set{one}, "a tap that only wants ", one, " saw ", tap.ops.size(), " operations");
  session->tap(nullptr);
  tap.ops.clear();
  fill(*session, 1, 5, 5);
  require(tap.ops.empty(), "the tap saw operations after it was taken off");
  if (!session->traits().run) throw Skipped("it does not declare run");
  require_equal(tapped, fill(*plain, 0, 5, 5), "a tapped run");
}

// One call of a tap.
struct Seen {
  std::string op;
  int layer;
  Floats values;
};

// Keeps what it sees, and then changes it. It says that it has changed everything, whether it has or not.
struct ChangingTap final : Tap {
  explicit ChangingTap(std::function<void(const Seen&, float*)> change = {}) : change(std::move(change)) {}
  bool tensor(const char* op, int layer, float* host, int rows, int cols) override {
    calls.push_back({op, layer, Floats(host, host + static_cast<int64_t>(rows) * cols)});
    if (change) change(calls.back(), host);
    return true;
  }
  std::function<void(const Seen&, float*)> change;
  std::vector<Seen> calls;
};

// The logits of a text under a tap. Throws Skipped if the session has no taps or takes nothing back.
Floats fill_under(const Opened& opened, Tap& tap) {
  const auto session = opened.session();
  if (!session->tap(&tap)) throw Skipped("it has no taps");
  try {
    return fill(*session, 0, 5, 5);
  } catch (const Error& error) {
    throw Skipped(std::string("it takes no values back: ") + error.what());
  }
}

std::string place_of(const Seen& seen) { return seen.op + " of layer " + std::to_string(seen.layer); }

// Sees attention_weights, and how often they are no weights of the positions up to the row's own.
struct WeightsTap final : Tap {
  bool wants(const char* op) const override {
    const bool is_weights = std::string_view(op) == name_of(Op::attention_weights);
    was_asked = was_asked || is_weights;
    return is_weights;
  }
  bool tensor(const char*, int, float* host, int rows, int cols) override {
    const int P = cols / kTiny.H;
    for (int64_t row = 0; row < int64_t{rows} * kTiny.H; ++row) {
      double sum = 0;
      for (int t = 0; t < P; ++t) sum += host[row * P + t];
      // One text from its start, so that row r has position r.
      const bool sees_later =
          std::any_of(host + row * P + row / kTiny.H + 1, host + row * P + P, [](float weight) { return weight != 0; });
      if (!(std::abs(sum - 1) < 1e-5) || sees_later) ++wrong;
    }
    calls.push_back(cols == P * kTiny.H && P == rows);
    return false;
  }
  mutable bool was_asked = false;
  int wrong = 0;
  std::vector<bool> calls;  // whether they had the right sizes
};

void check_attention_weights(const Opened& opened) {
  const auto session = opened.session(), plain = opened.session();
  WeightsTap tap;
  if (!session->tap(&tap)) throw Skipped("it has no taps");
  if (!tap.was_asked) throw Skipped("it has no attention weights");
  const Floats tapped = fill(*session, 0, 5, 5);
  require(static_cast<int>(tap.calls.size()) == kTiny.L, "the tap was called ", tap.calls.size(), " times, expected ",
          kTiny.L);
  require(std::ranges::find(tap.calls, false) == tap.calls.end(), "weights of 5 rows: expected (5, H 5)");
  require(tap.wrong == 0, tap.wrong, " rows do not add up to 1, or see later positions");
  if (session->traits().run) require_equal(tapped, fill(*plain, 0, 5, 5), "a run with attention weights");
}

void check_readout(const Opened& opened) {
  ChangingTap tap;
  const Floats logits = fill_under(opened, tap);
  const auto session = opened.session();
  const Floats before = fill(*session, 0, 5, 3), x = tap.calls[tap.calls.size() - 2].values;
  Floats found(logits.size());
  if (!session->readout(x.data(), 5, found.data())) throw Skipped("it has no readout");
  if (!session->traits().run || !session->traits().batch) throw Skipped("it does not declare run and batch");
  require_equal(found, logits, "the readout of the last residual");
  const auto plain = opened.session();
  fill(*plain, 0, 5, 3);
  require_equal(feed(*session, rows_of(0, 5, 3, 5)), feed(*plain, rows_of(0, 5, 3, 5)), "a step after a readout");
}

void check_writing_the_same(const Opened& opened) {
  const auto session = opened.session();
  ChangingTap same;
  const Floats written = fill_under(opened, same);
  if (!session->traits().run) throw Skipped("it does not declare run");
  require_equal(written, fill(*session, 0, 5, 5), "a tap that writes what it saw");
}

// Halves every third value that each operation of the last layer writes, one operation after the other: a layernorm
// does not see it if all are halved. What was computed before has the bits that
// it has without the tap, as has the operation itself; what follows is computed from what was changed.
void check_changed_values(const Opened& opened) {
  ChangingTap plain;
  const Floats expected = fill_under(opened, plain);
  const bool same_bits = opened.session()->traits().run;
  for (size_t place = 0; place < plain.calls.size(); ++place) {
    const Seen& own = plain.calls[place];
    if (own.layer == 0) continue;
    ChangingTap tap([&](const Seen& seen, float* host) {
      if (seen.op != own.op || seen.layer != own.layer) return;
      for (size_t i = 0; i < seen.values.size(); i += 3) host[i] *= 0.5f;
    });
    const Floats logits = fill_under(opened, tap);
    require(tap.calls.size() == plain.calls.size(), "under a tap that changes ", place_of(own), " there were ",
            tap.calls.size(), " calls, expected ", plain.calls.size());
    for (size_t i = 0; same_bits && i <= place; ++i)
      require_equal(tap.calls[i].values, plain.calls[i].values,
                    place_of(plain.calls[i]) + ", which comes before the changed " + place_of(own));
    if (place + 1 < plain.calls.size())
      require_changed(tap.calls[place + 1].values, plain.calls[place + 1].values,
                      "what follows the changed " + place_of(own));
    require_changed(logits, expected, "a tap that changes " + place_of(own));
  }
}

}  // namespace

void check_taps(Report& report, const Opened& opened) {
  report.check("a tap sees the seven operations and changes nothing", [&] { check_tap(opened); });
  report.check("a tap that writes what it saw changes nothing", [&] { check_writing_the_same(opened); });
  report.check("what a tap changes is computed with, or refused", [&] { check_changed_values(opened); });
  report.check("attention weights add up to 1 and change nothing", [&] { check_attention_weights(opened); });
  report.check("a readout is what the model's end computes", [&] { check_readout(opened); });
}

}  // namespace gpt2run::conformance
