// Who started this process, and how its ranks are joined.
#include <cstdlib>
#include <memory>

#include "gpt2run/paths.hpp"
#include "gpt2run/quoted.hpp"
#include "host/dynamic_library.hpp"
#include "host/ranks.hpp"
#include "host/trust.hpp"

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

std::filesystem::path link_library() {
  return (executable_folder() / "../libexec/gpt2run/ranks-mpi.so").lexically_normal();
}

}  // namespace

Launch launched() {
  for (const Variables& names : kLaunchers) {
    const char* rank = std::getenv(names.rank);
    if (rank && *rank) return {names.rank, number(rank), number(std::getenv(names.size))};
  }
  return {};
}

void Ranks::join() {
  const Launch launch = launched();
  if (launch.size == 1 || link_) return;
  const std::string found = "started as rank " + std::to_string(launch.rank) +
                            (launch.size ? " of " + std::to_string(launch.size) : "") + " (" + launch.variable + ")";
  const std::filesystem::path library = link_library();
  std::error_code error;
  if (!std::filesystem::exists(library, error))
    fail(found, ", but gpt2run was built without MPI: build it with -D GPT2RUN_MPI=ON, or unset ", launch.variable);
  check_trust(library);
  const auto open =
      reinterpret_cast<OpenRankLink>(const_cast<void*>(DynamicLibrary(library).symbol(kOpenRankLink).address));
  if (launch.rank == 0) leftovers_ = std::make_unique<Leftovers>();  // forks: before MPI
  std::unique_ptr<RankLink> link(open());
  if (launch.size && launch.size != link->size()) {
    link->leave();
    fail(found, ", but MPI finds ", link->size(), link->size() == 1 ? " rank" : " ranks",
         ": expected the launcher of the MPI that gpt2run was built with, ", link->name());
  }
  link_ = std::move(link);
  rank_ = link_->rank(), size_ = link_->size(), last_word_.assign(size_, false);
}

}  // namespace gpt2run
