// The checks of Session::repeat(): it equals n calls of the body, for any slots with the same key, and refuses a body
// that runs other rows than it was given.
#include <stdexcept>

#include "conformance/precision_checks.hpp"

namespace gpt2run::conformance {
namespace {

// The body of a generation loop without a sampler. The tokens that would be sampled are in the token table beforehand,
// so that the body only enqueues steps and scores and works in any memory space.
struct Body {
  Session& session;
  std::vector<Row> rows;
  int steps = 1;

  static void run(void* arg) {
    const Body& body = *static_cast<Body*>(arg);
    for (int i = 0; i < body.steps; ++i) body.session.score(body.session.step(body.rows));
  }
};

std::vector<Row> sampled_rows(std::initializer_list<int> slots) {
  std::vector<Row> rows;
  for (const int slot : slots) rows.push_back({slot, kSampled, true});
  return rows;
}

uint64_t sequence_of(int slot) { return static_cast<uint64_t>(slot) + 5; }

// Feeds two tokens of a text to each slot, and puts the rest of the text into the token table.
void prepare(Session& session, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    fill(session, row.slot, sequence_of(row.slot), 2);
    write_tokens(session, row.slot, sequence_of(row.slot), 2, kTiny.T);
  }
}

// The result of n bodies: the log-probabilities of the tokens, and the logits of the next step.
Floats outcome(Session& session, const std::vector<Row>& rows, int n) {
  Floats all;
  const LogitBatch layout = session.layout();
  for (const Row& row : rows) {
    const Floats logprobs = fetch(session, layout.logprobs + row.slot * layout.token_stride + 3, n);
    all.insert(all.end(), logprobs.begin(), logprobs.end());
  }
  for (const Row& row : rows) {
    const Floats logits = feed(session, rows_of(row.slot, sequence_of(row.slot), 2 + n, 3 + n));
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

void need_run(const Session& session) {
  if (!session.traits().run) throw Skipped("it does not declare run");
}

// One key for each number of rows, while the slots of the rows change.
void check_bodies(const Opened& opened) {
  const auto at_once = opened.session(), one_by_one = opened.session();
  need_run(*at_once);
  const uint64_t keys[] = {fresh_key(), fresh_key()};
  for (const std::vector<Row>& rows :
       {sampled_rows({1}), sampled_rows({3}), sampled_rows({1, 2}), sampled_rows({3, 0})}) {
    for (Session* session : {at_once.get(), one_by_one.get()}) prepare(*session, rows);
    Body fast{*at_once, rows}, slow{*one_by_one, rows};
    at_once->repeat(1, keys[rows.size() - 1], rows, &Body::run, &fast);
    at_once->repeat(4, keys[rows.size() - 1], rows, &Body::run, &fast);
    for (int i = 0; i < 5; ++i) Body::run(&slow);
    std::string which;
    for (const Row& row : rows) which.append(" ").append(std::to_string(row.slot));
    require_equal(outcome(*at_once, rows, 5), outcome(*one_by_one, rows, 5), "repeat against bodies, slots" + which);
  }
}

// Such bodies must be refused, because a device advances lengths by one step for each replay, whatever the recorded
// body did.
void check_refused_bodies(const Opened& opened) {
  const auto session = opened.session(), twin = opened.session();
  const std::vector<Row> rows = sampled_rows({1}), both = sampled_rows({1, 2}), other = sampled_rows({2});
  if (opened.space == Space::host) throw Skipped("in host memory a body is called, not replayed");
  for (const int n : {1, 3}) {
    prepare(*session, both);
    Body twice{*session, rows, 2}, elsewhere{*session, other}, more{*session, both};
    require_error("a body of two steps", [&] { session->repeat(n, fresh_key(), rows, &Body::run, &twice); });
    prepare(*session, both);
    require_error("a body that takes another slot's row",
                  [&] { session->repeat(n, fresh_key(), rows, &Body::run, &elsewhere); });
    prepare(*session, both);
    require_error("a body that takes more rows", [&] { session->repeat(n, fresh_key(), rows, &Body::run, &more); });
  }
  need_run(*session);
  for (Session* one : {session.get(), twin.get()}) {
    prepare(*one, both);
    Body body{*one, both};
    one->repeat(3, fresh_key(), both, &Body::run, &body);
  }
  require_equal(outcome(*session, both, 3), outcome(*twin, both, 3), "a session that refused bodies");
}

void check_given_tokens(const Opened& opened) {
  const auto session = opened.session();
  if (opened.space == Space::host) throw Skipped("in host memory a body is called, not replayed");
  const std::vector<Row> given = {{1, 3, true}};
  prepare(*session, given);
  Body body{*session, given};
  require_error("rows with given tokens", [&] { session->repeat(2, fresh_key(), given, &Body::run, &body); });
}

void check_thrown(const Opened& opened) {
  struct Own {};
  const auto session = opened.session();
  const std::vector<Row> rows = sampled_rows({1});
  prepare(*session, rows);
  try {
    session->repeat(
        2, fresh_key(), rows, [](void*) { throw Own(); }, nullptr);
  } catch (const Own&) {
    return;
  }
  fail("what the body threw did not come out");
}

}  // namespace

void check_repeat(Report& report, const Opened& opened) {
  report.check("repeat(n) is n bodies, for any slots", [&] { check_bodies(opened); });
  report.check("repeat() refuses bodies of two steps or with other rows", [&] { check_refused_bodies(opened); });
  report.check("repeat() refuses rows with given tokens", [&] { check_given_tokens(opened); });
  report.check("repeat() rethrows what a body throws", [&] { check_thrown(opened); });
}

}  // namespace gpt2run::conformance
