// The running program's folder comes from /proc.
#include "gpt2run/files/paths.hpp"

#include <system_error>
#include <utility>

#include "gpt2run/error.hpp"

namespace gpt2run {
namespace {

std::filesystem::path& folder_that_was_set() {
  static std::filesystem::path folder;
  return folder;
}

}  // namespace

std::filesystem::path executable_folder() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) fail("/proc/self/exe: expected a link to the running program, found: ", error.message());
  return program.parent_path();
}

std::filesystem::path installation() {
  const std::filesystem::path& folder = folder_that_was_set();
  return folder.empty() ? executable_folder().parent_path() : folder;
}

void set_installation(std::filesystem::path folder) { folder_that_was_set() = std::move(folder); }

std::filesystem::path demo_model() {
  const auto folder = installation() / "share/gpt2run/models/demo";
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    fail("no model is named, and the demo model is not at its place beside this program, ", folder.string());
  return folder;
}

}  // namespace gpt2run
