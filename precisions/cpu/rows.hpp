// How the rows of a step are divided among workers.
#pragma once
#include <span>
#include <vector>

#include "gpt2run/sdk/host_state.hpp"
#include "pool.hpp"

namespace gpt2run::cpu {

// Consecutive rows of one slot that attention handles together.
struct RowRun {
  int first, count;
};

// runs = the rows of a step in runs of up to `most` consecutive rows of one slot.
inline void row_runs(std::span<const HostRow> rows, int most, std::vector<RowRun>& runs) {
  runs.clear();
  for (int r = 0; r < std::ssize(rows); ++r) {
    const bool goes_on = r > 0 && rows[r].slot == rows[r - 1].slot && runs.back().count < most;
    if (goes_on)
      ++runs.back().count;
    else
      runs.push_back({r, 1});
  }
}

// Calls work(row) for every row. A small number of rows is done by the caller alone.
template <class Work>
void share_rows(Pool& pool, int rows, const Work& work) {
  constexpr int kRowsToShare = 8;  // with fewer rows, waking the workers costs more than the work
  const auto part = [&](int worker, int workers) {
    const WorkRange own(rows, worker, workers);
    for (int r = own.begin; r < own.end; ++r) work(r);
  };
  if (rows < kRowsToShare) return pool.run_alone(part);
  pool.run(part);
}

}  // namespace gpt2run::cpu
