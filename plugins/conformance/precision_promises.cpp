// The checks of bitwise equality: as the Traits declare it, and through start(), sampled tokens and taps.
#include <algorithm>
#include <set>

#include "conformance/precision_checks.hpp"

namespace gpt2run::conformance {
namespace {

void need(bool trait, const char* name) {
  if (!trait) throw Skipped(std::string("it does not declare ") + name);
}

void check_run(const Opened& opened) {
  const auto first = opened.session(), second = opened.session();
  need(first->traits().run, "run");
  for (const int chunk : {1, 4, 9})
    require_equal(fill(*second, 0, 5, kTiny.T, chunk), fill(*first, 0, 5, kTiny.T, chunk), "a second run");
}

void check_threads(const Opened& opened) {
  Limits limits = kLimits;
  limits.threads = 1;
  const auto one = opened.session(limits);
  need(one->traits().threads, "threads");
  const Floats alone = fill(*one, 0, 5, kTiny.T);
  for (const int threads : {2, 3, 5}) {
    limits.threads = threads;
    require_equal(fill(*opened.session(limits), 0, 5, kTiny.T), alone, std::to_string(threads) + " threads");
  }
}

// Rows in which slot 2 decodes at `position` while the other slots prefill new prompts. The order of slots and the
// lengths of prompts vary with the position.
std::vector<Row> crowded_rows(Session& session, int position) {
  std::vector<Row> rows;
  for (int i = 0; i < kLimits.slots; ++i) {
    const int slot = (position + i) % kLimits.slots;
    const uint64_t sequence = 20 + static_cast<uint64_t>(position);
    if (slot != 2) session.start(slot, {sequence, 42, 0, 0, slot, 0});
    const std::vector<Row> part = slot == 2 ? rows_of(slot, 5, position, position + 1)
                                            : rows_of(slot, sequence, 0, (position * 5 + slot * 3) % 7);
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

// A slot decodes while the others prefill a new prompt in each step.
void check_neighbours(const Opened& opened) {
  const auto session = opened.session(), single = opened.session();
  need(session->traits().batch, "batch");
  require_equal(fill(*session, 2, 5, 3), fill(*single, 0, 5, 3), "a prompt in another slot");
  for (int p = 3; p < kTiny.T; ++p) {
    const Floats alone = feed(*single, rows_of(0, 5, p, p + 1));
    const std::vector<Row> rows = crowded_rows(*session, p);
    const auto own = std::find_if(rows.begin(), rows.end(), [](const Row& row) { return row.slot == 2; });
    const Floats together = feed(*session, rows);
    const auto logits = together.begin() + (own - rows.begin()) * kTiny.V;
    require_equal({logits, logits + kTiny.V}, alone, "position " + std::to_string(p) + " with neighbours");
  }
}

void check_prefill(const Opened& opened) {
  const auto session = opened.session();
  need(session->traits().prefill, "prefill");
  const Floats at_once = fill(*session, 0, 5, kTiny.T);
  for (const int chunk : {1, 2, 5})
    require_equal(fill(*session, 1, 5, kTiny.T, chunk), at_once, "chunks of " + std::to_string(chunk));
}

// Every step has a single row, so that its bits depend on the KV cache only.
void check_start(const Opened& opened) {
  const auto session = opened.session();
  need(session->traits().run && session->traits().batch, "run and batch");
  const Floats whole = fill(*session, 0, 5, 6, 1);
  const Floats expected(whole.end() - 2 * kTiny.V, whole.end());
  const auto feed_rest = [&](int slot) {
    Floats logits = feed(*session, rows_of(slot, 5, 4, 5));
    const Floats last = feed(*session, rows_of(slot, 5, 5, 6));
    logits.insert(logits.end(), last.begin(), last.end());
    return logits;
  };
  fill(*session, 3, 8, kTiny.T, 1);
  session->start(3, {5, 42, 0, 0, 0, 4});
  require_equal(feed_rest(3), expected, "a slot that took over 4 positions of another");
  const LogitBatch layout = session->layout();
  const std::vector<int32_t> tokens = fetch(*session, layout.tokens + 3 * layout.token_stride, 6);
  for (int p = 0; p < 6; ++p) require(tokens[p] == token_of(5, p), "it did not take over token ", p);
  session->start(0, {5, 42, 0, 0, 0, 4});
  require_equal(feed_rest(0), expected, "a slot cut back to 4 positions");
}

void check_sampled(const Opened& opened) {
  const auto session = opened.session();
  need(session->traits().run, "run");
  const auto given = opened.session();
  fill(*session, 0, 5, 3);
  fill(*given, 0, 5, 3);
  const int32_t token = token_of(5, 3);
  session->write(&token, session->layout().tokens + 3, sizeof token);
  const Row sampled[] = {{0, kSampled, true}};
  require_equal(feed(*session, sampled), feed(*given, rows_of(0, 5, 3, 4)),
                "a sampled token against the same one given");
}

struct SeenTensors final : Tap {
  std::set<std::string> ops;
  std::string only;  // the only operation that it wants; "" for all
  bool sizes_fit = true;
  bool wants(const char* op) const override { return only.empty() || only == op; }
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
  need(session->traits().run, "run");
  require_equal(tapped, fill(*plain, 0, 5, 5), "a tapped run");
}

// A tap that changes the first value of every row.
struct ChangingTap final : Tap {
  bool wants(const char* op) const override { return std::string_view(op) == "embed"; }
  bool tensor(const char*, int, float* host, int rows, int cols) override {
    for (int r = 0; r < rows; ++r) host[r * cols] += 2;
    return true;
  }
};

void check_changing_tap(const Opened& opened) {
  const auto session = opened.session();
  const Floats plain = fill(*session, 0, 5, 5);
  ChangingTap tap;
  if (!session->tap(&tap)) throw Skipped("it has no taps");
  Floats changed;
  try {
    changed = fill(*session, 1, 5, 5);
  } catch (const Error& error) {
    throw Skipped(std::string("it takes no values back: ") + error.what());
  }
  require_changed(changed, plain, "a tap that changes what the embedding wrote");
}

}  // namespace

void check_promises(Report& report, const Opened& opened) {
  report.check("run: the same bits from run to run", [&] { check_run(opened); });
  report.check("threads: the same bits for any number of threads", [&] { check_threads(opened); });
  report.check("batch: the same bits with any neighbours", [&] { check_neighbours(opened); });
  report.check("prefill: the same bits at once, in chunks and token by token", [&] { check_prefill(opened); });
  report.check("start() copies and cuts back", [&] { check_start(opened); });
  report.check("a sampled token is the token in the table", [&] { check_sampled(opened); });
  report.check("a tap sees the seven operations and changes nothing", [&] { check_tap(opened); });
  report.check("what a tap changes is computed with, or refused", [&] { check_changing_tap(opened); });
  check_repeat(report, opened);
}

}  // namespace gpt2run::conformance
