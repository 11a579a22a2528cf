// Runs sessions of the tiny model.
#include "conformance/precision_run.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "gpt2run/sdk/reference.hpp"

namespace gpt2run::conformance {
namespace {

struct Plain : ReferenceOps {
  using ReferenceOps::ReferenceOps;
  float round(Point, float x) const override { return x; }
};

constexpr Plugin kPlain = precision_plugin<Plain>("plain", "the kit's own precision");

}  // namespace

Opened plain_host_precision() { return Opened(kPlain); }

int32_t token_of(uint64_t sequence, int position) {
  return static_cast<int32_t>((sequence * 7 + static_cast<uint64_t>(position) * 5 + 3) % kTiny.V);
}

std::vector<Row> rows_of(int slot, uint64_t sequence, int from, int to) {
  std::vector<Row> rows;
  for (int p = from; p < to; ++p) rows.push_back({slot, token_of(sequence, p), true});
  return rows;
}

Floats fetch_rows(Session& session, const LogitBatch& batch, const float* from) {
  Floats values(static_cast<size_t>(batch.rows) * kTiny.V);
  std::vector<Transfer> rows;
  for (int r = 0; r < batch.rows; ++r)
    rows.push_back({from + r * batch.stride, &values[static_cast<size_t>(r) * kTiny.V], kTiny.V * sizeof(float)});
  session.read(rows);
  return values;
}

void write_tokens(Session& session, int slot, uint64_t sequence, int from, int to) {
  std::vector<int32_t> tokens;
  for (int p = from; p < to; ++p) tokens.push_back(token_of(sequence, p));
  const LogitBatch layout = session.layout();
  session.write(tokens.data(), layout.tokens + slot * layout.token_stride + from, tokens.size() * sizeof(int32_t));
}

uint64_t fresh_key() {
  static uint64_t last = 0;
  return ++last;
}

Floats feed(Session& session, std::span<const Row> rows) {
  const LogitBatch batch = session.step(rows);
  return fetch_rows(session, batch, batch.logits);
}

Floats fill(Session& session, int slot, uint64_t sequence, int to, int chunk) {
  session.start(slot, {sequence, 42, 0, 0, slot, 0});
  Floats logits;
  for (int from = 0; from < to; from += chunk) {
    const Floats part = feed(session, rows_of(slot, sequence, from, std::min(to, from + chunk)));
    logits.insert(logits.end(), part.begin(), part.end());
  }
  return logits;
}

void require_equal(const Floats& found, const Floats& expected, const std::string& what) {
  require(found.size() == expected.size(), what, ": ", found.size(), " logits, expected ", expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    require(std::memcmp(&found[i], &expected[i], sizeof(float)) == 0, what, ": row ", i / kTiny.V, ", token ",
            i % kTiny.V, ": ", found[i], ", expected the bits of ", expected[i]);
}

void require_changed(const Floats& found, const Floats& before, const std::string& what) {
  for (const float x : found) require(std::isfinite(x), what, ": a logit is ", x);
  const bool same = std::memcmp(found.data(), before.data(), found.size() * sizeof(float)) == 0;
  require(found.size() == before.size() && !same, what, ": changes no logit");
}

}  // namespace gpt2run::conformance
