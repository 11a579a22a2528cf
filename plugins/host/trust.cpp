// Checks owners and modes of a plugin's file and its folders.
#include "host/trust.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gpt2run/error.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

struct stat status_of(const fs::path& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) fail(path.string(), ": ", std::strerror(errno));
  return status;
}

void check_owner_and_mode(const fs::path& path, const struct stat& status, const char* what) {
  if (status.st_mode & S_IWOTH) fail(path.string(), ": refused, the ", what, " is writable by everyone");
  if (status.st_uid != 0 && status.st_uid != geteuid())
    fail(path.string(), ": refused, the ", what, " belongs to user ", status.st_uid, ", expected root or user ",
         geteuid());
}

// A user who can write a folder further up could replace the checked folder before the file is opened.
void check_parents(const fs::path& folder) {
  for (fs::path parent = folder; parent != parent.root_path();) {
    parent = parent.parent_path();
    const mode_t mode = status_of(parent).st_mode;
    if ((mode & S_IWOTH) && !(mode & S_ISVTX))
      fail(folder.string(), ": refused, the folder ", parent.string(), " above it is writable by everyone");
  }
}

void check_folder(const fs::path& folder) {
  check_owner_and_mode(folder, status_of(folder), "folder");
  check_parents(folder);
}

fs::path resolved(const fs::path& path) {
  std::error_code error;
  fs::path result = fs::canonical(path, error);
  if (error) fail(path.string(), ": ", error.message());
  return result;
}

}  // namespace

void check_trust(const fs::path& file) {
  const fs::path target = resolved(file);
  const fs::path named_in = resolved(file.parent_path());
  const struct stat status = status_of(target);
  if (!S_ISREG(status.st_mode)) fail(file.string(), ": not a regular file");
  check_owner_and_mode(target, status, "file");
  check_folder(target.parent_path());
  if (named_in != target.parent_path()) check_folder(named_in);
}

}  // namespace gpt2run
