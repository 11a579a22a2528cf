// Walks the path of a plugin from the root to the file, as the system does when it opens it, and judges every folder
// and every link before it goes through them. When all of them are trusted, nobody but root and the user can put
// another file there between this check and the opening. So the file is opened by its path: by the number of an open
// file, as /proc/self/fd/7, the dynamic linker would not find the libraries that lie beside the plugin.
#include "host/trust.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <string_view>
#include <vector>

#include "gpt2run/error.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

// The user's own group: his first one, of his name, with nobody else in it.
bool is_own_group(gid_t group) {
  if (group != getegid()) return false;
  std::vector<char> texts(size_t{1} << 16);
  struct passwd user, *found_user = nullptr;
  if (getpwuid_r(geteuid(), &user, texts.data(), texts.size(), &found_user) != 0 || !found_user) return false;
  std::vector<char> more(size_t{1} << 16);
  struct group members, *found_group = nullptr;
  if (getgrgid_r(group, &members, more.data(), more.size(), &found_group) != 0 || !found_group) return false;
  const std::string_view name = user.pw_name;
  if (user.pw_gid != group || name != members.gr_name) return false;
  for (char** member = members.gr_mem; *member; ++member)
    if (name != *member) return false;
  return true;
}

void check_owner(const fs::path& path, const struct stat& status, const char* what) {
  if (status.st_uid != 0 && status.st_uid != geteuid())
    fail(path.string(), ": refused, the ", what, " belongs to user ", status.st_uid, ", expected root or user ",
         geteuid());
}

// Who else may write it: "everyone", "group 100", or "" for nobody.
std::string other_writers(const struct stat& status) {
  if (status.st_mode & S_IWOTH) return "everyone";
  if (!(status.st_mode & S_IWGRP) || status.st_gid == 0 || is_own_group(status.st_gid)) return "";
  return "group " + std::to_string(status.st_gid);
}

void check_owner_and_mode(const fs::path& path, const struct stat& status, const char* what) {
  if (const std::string others = other_writers(status); !others.empty())
    fail(path.string(), ": refused, the ", what, " is writable by ", others);
  check_owner(path, status, what);
}

// Whether a folder is on the way to the program that runs. Whoever can change it could put another program there, so it
// says nothing about the plugin that the program's own place does not say.
bool leads_to_program(const fs::path& folder) {
  static const fs::path program = [] {  // looked up once, since every plugin's path is walked
    std::error_code error;
    return fs::read_symlink("/proc/self/exe", error);
  }();
  return !program.empty() && std::ranges::mismatch(folder, program).in1 == folder.end();
}

class Walk {
 public:
  explicit Walk(const fs::path& file) : given_(file) { add_front(file); }

  void run() {
    while (!left_.empty()) {
      const std::string name = left_.front();
      left_.pop_front();
      if (name.empty() || name == ".") continue;
      check_folder();
      if (name == "..") {
        at_ = at_.parent_path();
        continue;
      }
      step(at_ / name);
    }
    if (!is_done_) fail(given_.string(), ": not a regular file");
  }

 private:
  void add_front(const fs::path& path) {
    if (path.is_absolute()) at_ = "/";
    const fs::path relative = path.relative_path();
    left_.insert(left_.begin(), relative.begin(), relative.end());
  }

  struct stat status_of(const fs::path& path) const {
    struct stat status;
    if (lstat(path.c_str(), &status) != 0) fail(given_.string(), ": ", std::strerror(errno));
    return status;
  }

  // The folder that holds the file, or a link to it, must not be writable by others at all. In one further up others
  // may make files of their own, if its sticky bit keeps them from moving those that are there.
  void check_folder() const {
    const struct stat status = status_of(at_);
    const bool is_last = left_.empty();
    if (is_last) return check_owner_and_mode(at_, status, "folder");
    if (leads_to_program(at_)) return;
    const std::string others = other_writers(status);
    if (!others.empty() && !(status.st_mode & S_ISVTX))
      fail(given_.parent_path().string(), ": refused, the folder ", at_.string(), " above it is writable by ", others);
    check_owner(at_, status, "folder");
  }

  // Goes on to an entry of the folder, or ends at the file.
  void step(const fs::path& next) {
    constexpr int kMostLinks = 40;
    const struct stat status = status_of(next);
    if (S_ISLNK(status.st_mode)) {
      check_owner(next, status, "link");
      if (++links_ > kMostLinks) fail(given_.string(), ": ", std::strerror(ELOOP));
      std::error_code error;
      const fs::path target = fs::read_symlink(next, error);
      if (error) fail(given_.string(), ": ", error.message());
      return add_front(target);
    }
    if (S_ISDIR(status.st_mode)) return void(at_ = next);
    if (!left_.empty()) fail(given_.string(), ": ", std::strerror(ENOTDIR));
    if (!S_ISREG(status.st_mode)) fail(given_.string(), ": not a regular file");
    check_owner_and_mode(next, status, "file");
    is_done_ = true;
  }

  fs::path given_, at_;           // at_: a folder, without links in its path
  std::deque<std::string> left_;  // the names that follow it
  int links_ = 0;
  bool is_done_ = false;
};

}  // namespace

void check_trust(const fs::path& file) {
  struct stat status;
  if (stat(file.c_str(), &status) != 0) fail(file.string(), ": ", std::strerror(errno));
  Walk(fs::absolute(file)).run();
}

}  // namespace gpt2run
