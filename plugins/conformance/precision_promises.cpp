// The checks of bitwise equality: as the Traits declare it, and through start(), sampled tokens and taps that change
// values.
#include <algorithm>

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

// Opens a session with this tap, which may be null.
std::unique_ptr<Session> open(const Opened& opened, Tap* tap, const Limits& limits = kLimits) {
  auto session = opened.session(limits);
  if (tap && !session->tap(tap)) throw Skipped("it has no taps");
  return session;
}

void check_threads(const Opened& opened, Tap* tap = nullptr) {
  Limits limits = kLimits;
  limits.threads = 1;
  const auto one = open(opened, tap, limits);
  need(one->traits().threads, "threads");
  const Floats alone = fill(*one, 0, 5, kTiny.T);
  for (const int threads : {2, 3, 5}) {
    limits.threads = threads;
    require_equal(fill(*open(opened, tap, limits), 0, 5, kTiny.T), alone, std::to_string(threads) + " threads");
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
void check_neighbours(const Opened& opened, Tap* tap = nullptr) {
  const auto session = open(opened, tap), single = open(opened, tap);
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

void check_prefill(const Opened& opened, Tap* tap = nullptr) {
  const auto session = open(opened, tap);
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

// Halves what attention writes, in every row.
struct HalvingTap final : Tap {
  bool wants(const char* op) const override { return std::string_view(op) == "attention"; }
  bool tensor(const char*, int, float* host, int rows, int cols) override {
    for (int64_t i = 0; i < int64_t{rows} * cols; ++i) host[i] *= 0.5f;
    return true;
  }
};

// The promises that the precision makes, while a tap changes values.
void check_under_a_tap(const Opened& opened) {
  HalvingTap tap;
  const auto session = open(opened, &tap);
  try {
    fill(*session, 0, 5, 5);
  } catch (const Error& error) {
    throw Skipped(std::string("it takes no values back: ") + error.what());
  }
  const Traits traits = session->traits();
  if (traits.threads) check_threads(opened, &tap);
  if (traits.batch) check_neighbours(opened, &tap);
  if (traits.prefill) check_prefill(opened, &tap);
}

}  // namespace

void check_promises(Report& report, const Opened& opened) {
  report.check("run: the same bits from run to run", [&] { check_run(opened); });
  report.check("threads: the same bits for any number of threads", [&] { check_threads(opened); });
  report.check("batch: the same bits with any neighbours", [&] { check_neighbours(opened); });
  report.check("prefill: the same bits at once, in chunks and token by token", [&] { check_prefill(opened); });
  report.check("start() copies and cuts back", [&] { check_start(opened); });
  report.check("a sampled token is the token in the table", [&] { check_sampled(opened); });
  check_taps(report, opened);
  report.check("threads, batch and prefill: also while a tap changes values", [&] { check_under_a_tap(opened); });
  check_repeat(report, opened);
}

}  // namespace gpt2run::conformance
