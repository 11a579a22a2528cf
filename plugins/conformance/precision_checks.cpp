// The checks of a precision in any memory space: the session's bookkeeping, the rows that it must refuse, and the
// bitwise guarantees that its Traits declare.
#include "conformance/precision_checks.hpp"

#include <algorithm>
#include <climits>
#include <cmath>

#include "conformance/precision_run.hpp"
#include "gpt2run/sdk/log_softmax.hpp"

namespace gpt2run::conformance {
namespace {

void check_logits(const Opened& opened) {
  const auto session = opened.session();
  const Floats logits = fill(*session, 0, 5, kTiny.T);
  for (const float x : logits) require(std::isfinite(x), "a logit is ", x);
  for (int position = 1; position < kTiny.T; ++position) {
    const auto row = logits.begin() + position * kTiny.V;
    require(!std::equal(row, row + kTiny.V, row - kTiny.V), "position ", position, " has the logits of the one before");
  }
}

void check_batch(const Opened& opened) {
  const auto session = opened.session();
  const LogitBatch layout = session->layout();
  require(layout.rows == kLimits.logit_rows, "layout has ", layout.rows, " rows, expected Limits::logit_rows");
  session->start(1, {70, 43, 1, 5, 1, 0});
  session->start(3, {90, 42, 2, 0, 3, 0});
  const Row rows[] = {{3, 5, false}, {3, 6, true}, {1, 7, true}};
  const LogitBatch batch = session->step(rows);
  require(batch.rows == 2, "two rows asked for logits, found ", batch.rows);
  require(batch.logits == layout.logits && batch.raw == layout.raw && batch.keys == layout.keys &&
              batch.tokens == layout.tokens && batch.logprobs == layout.logprobs,
          "its pointers are not those of layout()");
  require(batch.vocab == kTiny.V && batch.stride >= kTiny.V, "vocab ", batch.vocab, " and stride ", batch.stride);
  require(batch.space == opened.space, "its memory space is ", name_of(batch.space), ", the plugin's is ",
          name_of(opened.space));
  require(batch.slots == kLimits.slots, "it has ", batch.slots, " slots, the session has ", kLimits.slots);
  require(batch.token_stride >= kLimits.context + 1, "a slot has room for ", batch.token_stride, " tokens");
  const RowKey expected[] = {{90, 42, 3, 2, 2, 0}, {70, 43, 1, 1, 1, 5}};
  const std::vector<RowKey> keys = fetch(*session, batch.keys, 2);
  for (int r = 0; r < 2; ++r) {
    const RowKey &key = keys[r], &e = expected[r];
    require(key.sequence == e.sequence && key.seed == e.seed && key.slot == e.slot && key.position == e.position &&
                key.prompt == e.prompt && key.shift == e.shift,
            "key of row ", r, ": sequence ", key.sequence, ", seed ", key.seed, ", slot ", key.slot, ", position ",
            key.position, ", prompt ", key.prompt, ", shift ", key.shift);
  }
  require(fetch(*session, batch.tokens + 3 * batch.token_stride, 2) == std::vector<int32_t>{5, 6},
          "the given tokens do not stand in the table");
}

void check_raw(const Opened& opened) {
  Limits limits = kLimits;
  const auto plain = opened.session(limits);
  require(plain->layout().raw == plain->layout().logits, "raw is not logits without keep_raw");
  limits.keep_raw = true;
  const auto session = opened.session(limits);
  session->start(0, {1, 42, 0, 0, 0, 0});
  const LogitBatch batch = session->step(rows_of(0, 1, 0, 2));
  require(batch.raw != batch.logits, "raw is logits with keep_raw");
  require_equal(fetch_rows(*session, batch, batch.raw), fetch_rows(*session, batch, batch.logits), "raw");
  const std::vector<float> changed(kTiny.V, 3.0f);
  const Floats raw = fetch_rows(*session, batch, batch.raw);
  session->write(changed.data(), batch.logits, changed.size() * sizeof(float));
  require_equal(fetch_rows(*session, batch, batch.raw), raw, "raw after logits were changed");
}

void check_layouts(const Plugin& plugin) {
  const Opened plain(plugin);
  const Floats expected = fill(*plain.session(), 0, 3, kTiny.T);
  for (const Type type : {Type::f32, Type::f16, Type::bf16})
    for (const bool awkward : {false, true}) {
      const Opened other(plugin, {type, awkward});
      require_equal(fill(*other.session(), 0, 3, kTiny.T), expected,
                    awkward ? "turned, padded and unaligned weights" : "equal weights of another type");
    }
}

// Weights in types that a precision need not support must give the same result as FP32, or be refused.
void check_other_types(const Plugin& plugin) {
  const Floats expected = fill(*Opened(plugin).session(), 0, 3, kTiny.T);
  for (const Type type : {Type::f64, Type::i8}) {
    const Opened other(plugin, {type});
    std::unique_ptr<Session> session;
    try {
      session = other.session();
    } catch (const Error& error) {
      require(std::string_view(error.what()).find(name_of(type)) != std::string_view::npos, "weights of type ",
              name_of(type), " are refused without naming the type: ", error.what());
      continue;
    }
    require_equal(fill(*session, 0, 3, kTiny.T), expected, std::string("equal weights in ") + name_of(type));
  }
}

// Settings of a model that a precision need not support must change the logits, or be refused. GELU with erf is not
// among them: a coarse type may round it to the values of the tanh form.
void check_model(const Plugin& plugin) {
  const Floats plain = fill(*Opened(plugin).session(), 0, 3, kTiny.T);
  std::vector<std::pair<const char*, ModelConfig>> models = {{"attention scores scaled by layer", kTiny}};
  models.back().second.scale_by_layer = true;
  for (const Activation activation : {Activation::relu, Activation::silu, Activation::tanh}) {
    models.push_back({"another activation", kTiny});
    models.back().second.activation = activation;
  }
  for (const auto& [what, config] : models) {
    const Opened other(plugin, {Type::f32, false, config});
    std::unique_ptr<Session> session;
    try {
      session = other.session();
    } catch (const Error&) {
      continue;
    }
    require_changed(fill(*session, 0, 3, kTiny.T), plain, std::string(what) + ", which is not refused");
  }
}

void check_limits(const Opened& opened) {
  Limits limits = kLimits;
  limits.context = kTiny.T + 1;
  require_error("a context longer than the model's", [&] { opened.session(limits); });
}

// Rows that a session must refuse.
struct Refusal {
  const char* what;
  std::vector<Row> rows;
};

// For a session with 8 rows and 4 logit rows, prepared by prepare_refusals(): slot 0 has 3 positions, slot 1 was just
// started, slot 2 is full.
std::vector<Refusal> refusals() {
  const auto silent = [](std::vector<Row> rows) {
    for (Row& row : rows) row.logits = false;
    return rows;
  };
  return {{"no rows", {}},
          {"more rows than the session holds", silent(rows_of(3, 4, 0, 9))},
          {"more logit rows than the session holds", rows_of(3, 4, 0, 5)},
          {"slot -1", {{-1, 1, true}}},
          {"a slot behind the last", {{4, 1, true}}},
          {"a full slot", {{2, 1, true}}},
          {"more rows than a slot has room", silent(rows_of(0, 1, 3, 10))},
          {"split rows of a slot", {{0, 1, false}, {3, 1, false}, {0, 1, true}}},
          {"a token behind the vocabulary", {{0, kTiny.V, true}}},
          {"token -2", {{0, kNone, true}}},
          {"the least token", {{0, INT32_MIN, true}}},
          {"a good row before a bad one", {{0, 1, true}, {3, kTiny.V, true}}},
          {"a sampled token straight after start()", {{1, kSampled, true}}},
          {"a sampled token beside another row of its slot", {{0, kSampled, true}, {0, 1, true}}}};
}

void prepare_refusals(Session& session) {
  fill(session, 0, 1, 3, 1);
  session.start(1, {2, 42, 0, 0, 1, 0});
  fill(session, 2, 3, kTiny.T, 1);
  session.start(3, {4, 42, 0, 0, 3, 0});
}

void check_refused_rows(const Opened& opened) {
  Limits limits = kLimits;
  limits.rows = 8, limits.logit_rows = 4;
  const auto session = opened.session(limits), twin = opened.session(limits);
  prepare_refusals(*session);
  prepare_refusals(*twin);
  for (const Refusal& refusal : refusals()) require_error(refusal.what, [&] { session->step(refusal.rows); });
  if (!session->traits().run) return;
  for (const int slot : {0, 1, 3}) {
    const Row next[] = {{slot, 6, true}};
    require_equal(feed(*session, next), feed(*twin, next), "slot " + std::to_string(slot) + " after refused steps");
  }
}

void check_score(const Opened& opened) {
  const auto session = opened.session();
  session->start(0, {1, 42, 0, 0, 0, 0});
  const LogitBatch batch = session->step(rows_of(0, 1, 0, 4));
  const int32_t target = 9;
  session->write(&target, batch.tokens + 4, sizeof target);
  session->score(batch);
  const Floats raw = fetch_rows(*session, batch, batch.raw);
  const std::vector<float> logprobs = fetch(*session, batch.logprobs + 1, 4);
  for (int r = 0; r < 4; ++r) {
    const float* logits = &raw[static_cast<size_t>(r) * kTiny.V];
    double largest = 0;
    for (int v = 0; v < kTiny.V; ++v) largest = std::max(largest, std::abs(double(logits[v])));
    const double expected = log_probability(logits, kTiny.V, r == 3 ? target : token_of(1, r + 1));
    // The error of FP32: one rounding for each of the V terms and of their sums, and four roundings of values up to
    // twice the largest logit.
    const double tolerance = std::ldexp(2.0 * kTiny.V + 8 * largest, -24);
    const float found = logprobs[r];
    require(std::abs(found - expected) <= tolerance, "logprob of position ", r + 1, ": ", found, ", expected ",
            expected);
  }
}

}  // namespace

void check_precision(Report& report, const Plugin& plugin) {
  const Opened opened(plugin);
  report.check("logits are finite and hang on the position", [&] { check_logits(opened); });
  report.check("a batch has the rows that asked for logits, with their keys and tokens", [&] { check_batch(opened); });
  report.check("raw logits are kept on demand", [&] { check_raw(opened); });
  report.check("weights of any type and layout give the same bits", [&] { check_layouts(plugin); });
  report.check("weights of float64 and int8 are read exactly or refused by name", [&] { check_other_types(plugin); });
  report.check("a setting of the model is computed or refused", [&] { check_model(plugin); });
  report.check("limits beyond the model are refused", [&] { check_limits(opened); });
  report.check("rows that cannot be are refused and change nothing", [&] { check_refused_rows(opened); });
  report.check("score() gives the log-probability of the token that stands there", [&] { check_score(opened); });
  check_promises(report, opened);
}

}  // namespace gpt2run::conformance
