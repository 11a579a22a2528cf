// Reads folders by system calls, since opendir() takes memory.
#include "common/program/temporaries.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run {
namespace {

constexpr int kMostFolders = 16;
char noted[kMostFolders][PATH_MAX];
std::atomic<int> noted_count = 0;

// ".PROCESS.tmp", the end of all temporary names of this process.
struct Ending {
  char text[64];
  explicit Ending(const char* process) { std::snprintf(text, sizeof text, ".%s.tmp", process); }
};

// Calls work(folder, name) for each entry.
template <class Work>
void each_entry(const char* path, const Work& work) noexcept {
  const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  alignas(dirent64) char buffer[4096];
  for (long size = 0; (size = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0;)
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      work(folder, entry->d_name);
      at += entry->d_reclen;
    }
  close(folder);
}

// A temporary folder has the number of the process in its name, too. It holds nothing that was there before.
void remove_folder_of(char* path, std::string_view process) noexcept {
  char* const slash = std::strrchr(path, '/');
  if (!slash || slash == path) return;
  *slash = '\0';
  const char* const before = std::strrchr(path, '/');
  const std::string_view name = before ? before + 1 : path;
  if (!name.starts_with('.') || name.find(process) == name.npos || !name.ends_with(".tmp")) return;
  each_entry(path, [](int folder, const char* file) { unlinkat(folder, file, 0); });
  rmdir(path);
}

}  // namespace

void note_output_folder(const std::filesystem::path& folder) {
  std::error_code error;
  const std::string path = std::filesystem::absolute(folder, error).string();
  const int count = noted_count;
  if (error || count == kMostFolders || path.size() >= PATH_MAX) return;
  for (int i = 0; i < count; ++i)
    if (path == noted[i]) return;
  std::memcpy(noted[count], path.c_str(), path.size() + 1);
  noted_count = count + 1;
}

void remove_temporaries_in(const char* folder, const char* ending) noexcept {
  each_entry(folder, [&](int fd, const char* file) {
    const std::string_view name = file;
    if (name.starts_with(".") && name.ends_with(ending)) unlinkat(fd, file, 0);
  });
}

void remove_temporaries() noexcept {
  char process[32];
  detail::write_process_id(process);
  const Ending ending(process);
  each_entry("/proc/self/fd", [&](int folder, const char* name) {
    char path[PATH_MAX];
    const ssize_t size = readlinkat(folder, name, path, sizeof path - 1);
    if (size <= 0) return;
    path[size] = '\0';
    if (!std::string_view(path).ends_with(ending.text)) return;
    unlink(path);
    remove_folder_of(path, process);
  });
  for (int i = 0; i < noted_count; ++i) remove_temporaries_in(noted[i], ending.text);
}

}  // namespace gpt2run
