// Equal bits: as declared by the Traits, and through start(), repeat(), sampled tokens and taps.
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

// Slot 2's next row with its neighbours' fresh prompts around it, in another order for every position.
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

// A slot decodes while others are refilled again and again.
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

// Every step has one row of one slot, so the bits hang on the cache alone.
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
  for (int p = 0; p < 6; ++p)
    require(layout.tokens[3 * layout.token_stride + p] == token_of(5, p), "it did not take over token ", p);
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

// A body of a generation loop: the next token is made from the logits' first bits, as a sampler would.
struct Body {
  Session* session;
  static std::span<const Row> rows() {
    static constexpr Row row[] = {{1, kSampled, true}};
    return row;
  }
  static void run(void* arg) { choose(static_cast<Body*>(arg)->session->step(rows())); }
  static void choose(const LogitBatch& batch) {
    const float* logits = batch.logits + (batch.rows - 1) * batch.stride;
    const RowKey& key = batch.keys[batch.rows - 1];
    batch.tokens[key.slot * batch.token_stride + key.position] =
        static_cast<int32_t>(std::max_element(logits, logits + batch.vocab) - logits);
  }
};

void check_repeat(const Opened& opened) {
  const auto at_once = opened.session(), one_by_one = opened.session();
  need(at_once->traits().run, "run");
  for (Session* session : {at_once.get(), one_by_one.get()}) {
    session->start(1, {5, 42, 0, 0, 1, 0});
    Body::choose(session->step(rows_of(1, 5, 0, 2)));
  }
  Body fast{at_once.get()}, slow{one_by_one.get()};
  at_once->repeat(5, 1, Body::rows(), &Body::run, &fast);
  for (int i = 0; i < 5; ++i) Body::run(&slow);
  const LogitBatch a = at_once->layout(), b = one_by_one->layout();
  for (int p = 0; p < 8; ++p)
    require(a.tokens[a.token_stride + p] == b.tokens[b.token_stride + p], "token ", p,
            " of repeat(5) is not that of 5 bodies");
  require_equal(feed(*at_once, rows_of(1, 6, 7, 8)), feed(*one_by_one, rows_of(1, 6, 7, 8)), "a step after repeat(5)");
}

struct SeenTensors final : Tap {
  std::set<std::string> ops;
  bool sizes_fit = true;
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
  session->tap(nullptr);
  tap.ops.clear();
  fill(*session, 1, 5, 5);
  require(tap.ops.empty(), "the tap saw operations after it was taken off");
  need(session->traits().run, "run");
  require_equal(tapped, fill(*plain, 0, 5, 5), "a tapped run");
}

}  // namespace

void check_promises(Report& report, const Opened& opened) {
  report.check("run: the same bits from run to run", [&] { check_run(opened); });
  report.check("threads: the same bits for any number of threads", [&] { check_threads(opened); });
  report.check("batch: the same bits with any neighbours", [&] { check_neighbours(opened); });
  report.check("prefill: the same bits at once, in chunks and token by token", [&] { check_prefill(opened); });
  report.check("start() copies and cuts back", [&] { check_start(opened); });
  report.check("a sampled token is the token in the table", [&] { check_sampled(opened); });
  report.check("repeat(n) is n bodies", [&] { check_repeat(opened); });
  report.check("a tap sees the seven operations and changes nothing", [&] { check_tap(opened); });
}

}  // namespace gpt2run::conformance
