// The variables of launchers, looked at in a fixed order.
#include "common/program/launch.hpp"

#include <cstdlib>

namespace gpt2run {
namespace {

// In this order: a launcher may set its neighbours' variables, too. Those of Slurm are also there in a batch job's
// only process: they tell a size, but not that there are ranks.
struct Variables {
  const char *rank, *size;
};
constexpr Variables kLaunchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},  // Open MPI
    {"PMI_RANK", "PMI_SIZE"},                          // MPICH, Intel MPI, Slurm's pmi2
    {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"},    // MVAPICH
    {"PMIX_RANK", "SLURM_STEP_NUM_TASKS"},             // Slurm's pmix
};

// Without the library's sake: 0 where it is no number.
int number(const char* text) { return text ? static_cast<int>(std::strtol(text, nullptr, 10)) : 0; }

}  // namespace

Launch launched() {
  for (const Variables& names : kLaunchers) {
    const char* rank = std::getenv(names.rank);
    if (rank && *rank) return {names.rank, number(rank), number(std::getenv(names.size))};
  }
  return {};
}

}  // namespace gpt2run
