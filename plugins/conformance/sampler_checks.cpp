// The checks of a sampler in any memory space: that it keeps to its role, and that its result depends on nothing but
// the row.
#include "conformance/sampler_checks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gpt2run::conformance {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

void check_rows_and_slots(const Plugin& plugin, Session& session) {
  SamplerRig rig(plugin, session);
  std::vector<SamplerRow> rows = some_rows();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<SamplerResult> alone;
    for (const SamplerRow& row : rows) alone.push_back(rig.sample({row}, seed).front());
    const auto together = rig.sample(rows, seed);
    std::vector<SamplerRow> turned = rows;
    std::rotate(turned.begin(), turned.begin() + 1, turned.end());
    for (size_t r = 0; r < turned.size(); ++r) turned[r].key.slot = static_cast<int32_t>(4 - r);
    const auto elsewhere = rig.sample(turned, seed);
    for (size_t r = 0; r < rows.size(); ++r) {
      require_same(together[r], alone[r], "in a batch, against alone");
      require_same(elsewhere[(r + rows.size() - 1) % rows.size()], alone[r], "in another row and slot, against alone");
    }
  }
}

void check_fresh_object(const Plugin& plugin, Session& session) {
  const std::vector<SamplerRow> rows = some_rows();
  SamplerRig used(plugin, session);
  for (uint64_t seed = 0; seed < 100; ++seed) used.sample(rows, seed);
  const auto later = used.sample(rows);
  const auto first = SamplerRig(plugin, session).sample(rows);
  for (size_t r = 0; r < rows.size(); ++r)
    require_same(later[r], first[r], "after earlier calls, against a fresh object");
}

void check_other_session(const Plugin& plugin, const Opened& memory) {
  Limits wider = kRigLimits;
  wider.slots += 3, wider.logit_rows += 2, wider.keep_raw = true;
  const auto first = memory.session(kRigLimits), second = memory.session(wider);
  const std::vector<SamplerRow> rows = some_rows();
  SamplerRig rig(plugin, *first);
  const auto before = rig.sample(rows);
  rig.move_to(*second);
  const auto after = rig.sample(rows);
  for (size_t r = 0; r < rows.size(); ++r) require_same(after[r], before[r], "in another session");
}

void check_no_choice(const Plugin& plugin, Session& session, const std::vector<float>& logits) {
  std::vector<SamplerRow> rows = some_rows();
  rows[1].logits = logits;
  const auto results = SamplerRig(plugin, session).sample(rows);
  require(results[1].token == kNone, "expected kNone, found token ", results[1].token);
  for (const size_t r : {0, 2, 3}) require(results[r].token != kNone, "a neighbour of that row got kNone");
}

void check_dropped_tokens(const Plugin& plugin, Session& session) {
  std::vector<SamplerRow> rows = some_rows();
  for (SamplerRow& row : rows) std::fill(row.logits.begin(), row.logits.end(), -kInfinity);
  for (int r = 0; r < kRows; ++r) rows[r].logits[r * 5 % kVocab] = -3.0f;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto results = SamplerRig(plugin, session).sample(rows, seed);
    for (int r = 0; r < kRows; ++r)
      require(results[r].token == r * 5 % kVocab, "only token ", r * 5 % kVocab, " was left, found ", results[r].token);
  }
}

void check_ranges(const Plugin& plugin, Session& session) {
  const auto with = [](float scale, float offset) {
    std::vector<SamplerRow> rows = some_rows();
    for (SamplerRow& row : rows)
      for (float& x : row.logits) x = x * scale + offset;
    return rows;
  };
  SamplerRig rig(plugin, session);
  for (const auto& [scale, offset] : {std::pair(1.0f, -200.0f), {5000.0f, 0.0f}, {0.0f, 0.0f}, {1.0f, 1e4f}})
    for (const SamplerResult& result : rig.sample(with(scale, offset))) {
      require(!plugin.selects || result.token != kNone, "kNone for finite logits times ", scale, " plus ", offset);
      for (const float x : result.logits) require(!std::isnan(x), "NaN from finite logits");
      require(std::any_of(result.logits.begin(), result.logits.end(), [](float x) { return std::isfinite(x); }),
              "no finite logit is left");
    }
}

void check_dropped_stay(const Plugin& plugin, Session& session) {
  std::vector<SamplerRow> rows = some_rows();
  for (SamplerRow& row : rows) row.logits[4] = -kInfinity;
  for (const SamplerResult& result : SamplerRig(plugin, session).sample(rows))
    require(result.logits[4] == -kInfinity, "a dropped token came back with ", result.logits[4]);
}

}  // namespace

std::vector<float> logits_of(int row) {
  std::vector<float> logits(kVocab);
  for (int v = 0; v < kVocab; ++v) logits[v] = static_cast<float>((v * 11 + row * 5) % kVocab) * 0.37f - 2.0f;
  return logits;
}

std::vector<SamplerRow> some_rows() {
  return {{{100, 42, 0, 3, 3, 0}, logits_of(0)},
          {{7, 42, 2, 1, 1, 0}, logits_of(1)},
          {{8, 42, 3, kContext, kContext, 0}, logits_of(2)},
          {{9, 42, 5, 5, 5, 0}, logits_of(3)}};
}

bool is_same(const SamplerResult& a, const SamplerResult& b) {
  return a.token == b.token && std::equal(a.logits.begin(), a.logits.end(), b.logits.begin(), b.logits.end(),
                                          [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

void require_same(const SamplerResult& found, const SamplerResult& expected, const std::string& where) {
  require(found.token == expected.token, where, ": token ", found.token, ", expected ", expected.token);
  require(is_same(found, expected), where, ": other logits than expected");
}

void check_sampler(Report& report, const Plugin& plugin, const Plugin* precision) {
  const Opened memory = precision ? Opened(*precision) : plain_host_precision();
  const auto session = memory.session(kRigLimits);

  report.check("finite logits of any size are taken", [&] { check_ranges(plugin, *session); });
  report.check("a row gives the same alone, in a batch, in another row and slot",
               [&] { check_rows_and_slots(plugin, *session); });
  report.check("earlier calls change nothing", [&] { check_fresh_object(plugin, *session); });
  report.check("prepare() makes it work in another session", [&] { check_other_session(plugin, memory); });
  check_configure(report, plugin, memory);
  if (!plugin.selects) {
    report.check("a dropped token stays dropped", [&] { check_dropped_stay(plugin, *session); });
    return;
  }
  report.check("a row with NaN gives kNone, its neighbours a token", [&] {
    std::vector<float> logits = logits_of(1);
    logits[kVocab - 1] = kNan;
    check_no_choice(plugin, *session, logits);
  });
  report.check("a row with nothing left gives kNone",
               [&] { check_no_choice(plugin, *session, std::vector<float>(kVocab, -kInfinity)); });
  report.check("a dropped token is never chosen", [&] { check_dropped_tokens(plugin, *session); });
}

}  // namespace gpt2run::conformance
