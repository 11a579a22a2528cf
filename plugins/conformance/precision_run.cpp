// Driving a session of the tiny model.
#include "conformance/precision_run.hpp"

#include <algorithm>
#include <cstring>

namespace gpt2run::conformance {

int32_t token_of(uint64_t sequence, int position) {
  return static_cast<int32_t>((sequence * 7 + static_cast<uint64_t>(position) * 5 + 3) % kTiny.V);
}

std::vector<Row> rows_of(int slot, uint64_t sequence, int from, int to) {
  std::vector<Row> rows;
  for (int p = from; p < to; ++p) rows.push_back({slot, token_of(sequence, p), true});
  return rows;
}

Floats feed(Session& session, std::span<const Row> rows) {
  const LogitBatch batch = session.step(rows);
  Floats logits(static_cast<size_t>(batch.rows) * kTiny.V);
  for (int r = 0; r < batch.rows; ++r)
    session.read(batch.logits + r * batch.stride, &logits[static_cast<size_t>(r) * kTiny.V], kTiny.V * sizeof(float));
  return logits;
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

}  // namespace gpt2run::conformance
