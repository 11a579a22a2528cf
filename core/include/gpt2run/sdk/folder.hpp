// What is in a folder. std::filesystem::directory_iterator would do, but libstdc++ ends the process where memory runs
// out within it.
#pragma once
#include <dirent.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

namespace gpt2run {

// The paths of all entries but "." and "..", in no order. error: why the folder could not be read to its end, or zero;
// what was found until then is returned.
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

}  // namespace gpt2run
