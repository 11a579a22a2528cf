// Reads the environment variables of the known launchers.
#include "common/program/launch.hpp"

#include <cstdlib>

namespace gpt2run {
namespace {

// The order matters, because a launcher may also set the variables of another one. Slurm's own variables are no sign of
// ranks: a batch job with a single process has them too, so they are read for the size only.
struct Variables {
  const char *rank, *size;
};
constexpr Variables kLaunchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},  // Open MPI
    {"PMI_RANK", "PMI_SIZE"},                          // MPICH, Intel MPI, Slurm's pmi2
    {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"},    // MVAPICH
    {"PMIX_RANK", "SLURM_STEP_NUM_TASKS"},             // Slurm's pmix
};

// 0 for a text that is not a number.
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
