// StepPlanner: decides which kernels compute which rows of a step. There are two ways. With the decode kernels, the
// sums of a row depend only on the shape of the weights. With cuBLASLt, they also depend on how many rows a call has.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "gpt2run/precision.hpp"

namespace gpt2run::cuda {

inline constexpr int kDecodeRows = 8;  // most rows that the decode kernels compute at once

// The values of the option `invariant`.
enum class Invariant : uint8_t {
  off,      // more than kDecodeRows rows of a step go through cuBLASLt together
  on,       // more than kDecodeRows rows of one slot go through cuBLASLt, each slot's by themselves
  prefill,  // all rows go through the decode kernels
};

inline constexpr OptionSpec kInvariantOption = {"invariant", "enum", "auto", "auto|on|off|prefill",
                                                "a slot's bits: on, its neighbours change none; prefill, chunks of a "
                                                "prompt neither; auto, on up to 8 slots, else off"};

// text: a value of the option. slots: number of slots of the session.
inline Invariant invariant_of(std::string_view text, int slots) {
  if (text == "prefill") return Invariant::prefill;
  if (text == "auto") return slots <= kDecodeRows ? Invariant::on : Invariant::off;
  return text == "on" ? Invariant::on : Invariant::off;
}

// The values of the option `epilogue`: what adds the bias of qkv and up, applies GELU and rounds, for rows that go
// through cuBLASLt. The library documents neither the form of its GELU nor where its epilogues round (docs/cuda.md).
enum class Epilogue : uint8_t {
  exact,  // a kernel of this project, from cuBLASLt's FP32 sums
  fused,  // cuBLASLt, which writes values of the type
};

inline constexpr OptionSpec kEpilogueOption = {"epilogue", "enum", "exact", "exact|fused",
                                               "bias, GELU and rounding behind cuBLASLt's qkv and up: exact, by a "
                                               "kernel of ours; fused, by its own epilogues"};

// step_bytes, contract: as in Traits.
inline constexpr Traits traits_of(Invariant invariant, double tolerance, int64_t step_bytes, const char* contract) {
  return {.run = true,
          .threads = true,
          .batch = invariant != Invariant::off,
          .prefill = invariant == Invariant::prefill,
          .tolerance = tolerance,
          .step_bytes = step_bytes,
          .order = "cuda",
          .machine = false,
          .contract = contract};
}

// Whether some step of a session with these limits may need cuBLASLt.
inline bool needs_gemm(Invariant invariant, const Limits& limits) {
  return invariant != Invariant::prefill && limits.rows > kDecodeRows;
}

// A range of consecutive rows. batched: they go through cuBLASLt (products, logits) or through attention by tiles of
// queries. Such rows belong to one slot, except with Invariant::off, where all rows go through cuBLASLt together.
struct RowRange {
  int first, count;
  bool batched;
};

// The plan of a step. Every row is in one range of `products` and one of `attention`; every row that needs logits is in
// one range of `logits`. The rows themselves are in DeviceState::rows and ::logit_rows.
struct DeviceStep {
  int rows, logit_rows;
  std::span<const RowRange> products, attention, logits;
};

class StepPlanner {
 public:
  // Allocates; plan() does not.
  StepPlanner(Invariant invariant, const Limits& limits) : invariant_(invariant) {
    products_.reserve(limits.rows), attention_.reserve(limits.rows), logits_.reserve(limits.rows);
  }

  // Plans a step. The rows of a slot must be consecutive. The result is valid until the next call.
  DeviceStep plan(std::span<const Row> rows) {
    products_.clear(), attention_.clear(), logits_.clear();
    int logit_rows = 0;
    for (size_t first = 0, end = 0; first < rows.size(); first = end) {
      int asking = 0;
      for (end = first; end < rows.size() && rows[end].slot == rows[first].slot; ++end) asking += rows[end].logits;
      const int count = static_cast<int>(end - first);
      add(attention_, static_cast<int>(first), count, count > kDecodeRows);
      add(products_, static_cast<int>(first), count, invariant_ == Invariant::on && count > kDecodeRows);
      add(logits_, logit_rows, asking, invariant_ == Invariant::on && asking > kDecodeRows);
      logit_rows += asking;
    }
    const int count = static_cast<int>(rows.size());
    if (invariant_ == Invariant::off) {
      products_.assign(1, {0, count, count > kDecodeRows});
      logits_.assign(1, {0, logit_rows, logit_rows > kDecodeRows});
    }
    return {count, logit_rows, products_, attention_, logits_};
  }

 private:
  static void add(std::vector<RowRange>& to, int first, int count, bool batched) {
    if (count == 0) return;
    if (!batched && !to.empty() && !to.back().batched)
      to.back().count += count;
    else
      to.push_back({first, count, batched});
  }

  Invariant invariant_;
  std::vector<RowRange> products_, attention_, logits_;
};

}  // namespace gpt2run::cuda
