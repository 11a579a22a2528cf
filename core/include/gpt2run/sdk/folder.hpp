// What stands at a path, and what is in a folder.
#pragma once
#include <dirent.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include "gpt2run/error.hpp"

namespace gpt2run {

// What stands at a path: that of the link itself, or of what it leads to. It is not_found where a folder on the way is
// missing, where a link leads nowhere, and where the name is too long for any file. Throws Error where the system
// cannot say, such as on a failing disk or in a folder that may not be searched: taken for "nothing is there", that
// would let a program go on without a file that it needs.
enum class Links { follow, keep };
inline std::filesystem::file_status status_of(const std::filesystem::path& path, Links links = Links::follow) {
  std::error_code error;
  const std::filesystem::file_status status =
      links == Links::follow ? std::filesystem::status(path, error) : std::filesystem::symlink_status(path, error);
  if (status.type() != std::filesystem::file_type::none && status.type() != std::filesystem::file_type::unknown)
    return status;
  if (error == std::errc::too_many_symbolic_link_levels || error == std::errc::filename_too_long)
    return std::filesystem::file_status(std::filesystem::file_type::not_found);
  fail(path.string(), ": cannot be read: ", error.message());
}

// Whether anything has this name, a link that leads nowhere among them. Throws as status_of() does, like the next two.
inline bool is_there(const std::filesystem::path& path) { return exists(status_of(path, Links::keep)); }
inline bool is_folder(const std::filesystem::path& path) { return is_directory(status_of(path)); }
inline bool is_file(const std::filesystem::path& path) { return is_regular_file(status_of(path)); }

// The paths of all entries of a folder but "." and "..", in no order. error: why the folder could not be read to its
// end, or zero; what was found until then is returned. std::filesystem::directory_iterator is not used, since libstdc++
// ends the process where memory runs out within it.
inline std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder, std::error_code& error) {
  const auto close = [](DIR* open) { closedir(open); };
  const std::unique_ptr<DIR, decltype(close)> open(opendir(folder.c_str()), close);
  std::vector<std::filesystem::path> found;
  error.clear();
  if (!open) return error.assign(errno, std::generic_category()), found;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(open.get());
    if (!entry) break;
    if (const std::string_view name = entry->d_name; name != "." && name != "..") found.push_back(folder / name);
  }
  error.assign(errno, std::generic_category());
  return found;
}

// The same, and none for a path where there is no folder. Throws Error where the folder cannot be read to its end.
inline std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> found = entries_of(folder, error);
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    fail(folder.string(), ": the folder cannot be read: ", error.message());
  return found;
}

}  // namespace gpt2run
