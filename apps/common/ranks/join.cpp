// Ranks::join(), the only place that opens the MPI library.
#include <memory>

#include "common/program/launch.hpp"
#include "common/ranks/ranks.hpp"
#include "gpt2run/files/paths.hpp"
#include "host/dynamic_library.hpp"
#include "host/trust.hpp"

namespace gpt2run {
namespace {

std::filesystem::path link_library() {
  return (executable_folder() / "../libexec/gpt2run/ranks-mpi.so").lexically_normal();
}

}  // namespace

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
  if (launch.rank == 0) temp_files_ = std::make_unique<TempFiles>();  // forks, so it comes before MPI
  std::unique_ptr<RankLink> link(open());
  if (launch.size && launch.size != link->size()) {
    link->leave();
    fail(found, ", but MPI finds ", link->size(), link->size() == 1 ? " rank" : " ranks",
         ": expected the launcher of the MPI that gpt2run was built with, ", link->name());
  }
  link_ = std::move(link);
  rank_ = link_->rank(), size_ = link_->size(), rank_done_.assign(size_, false);
}

}  // namespace gpt2run
