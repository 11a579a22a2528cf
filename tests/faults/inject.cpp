// A library for LD_PRELOAD that makes one call of a program fail, to see what the program does then. It counts the
// calls from the beginning of main(), so that the same number means the same call in each run of a program with one
// thread.
//
// FAULT=CALL:NUMBER:WHAT[:on] makes call NUMBER (from 1) of the group CALL fail, and with ":on" all later ones too.
// WHAT is the name of an error (ENOSPC), "null" for memory, "short" for half of the bytes of a read or write, or a
// signal (SIGTERM), which the process sends itself before the call. Standard error is never touched, and the calls of
// the dynamic linker and within the C library are not seen. FAULT_COUNTS is a file of kGroups + 1 numbers of 64 bits.
// It gets the number of calls of each group, and last how many of them failed.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
}

namespace {

enum Group { kMemory, kOpen, kRead, kWrite, kClose, kRename, kSync, kMap, kLook, kFolder, kMake, kThread, kGroups };
// The names in FAULT, in the order of Group.
constexpr const char* kNames[kGroups] = {"memory", "open", "read", "write",  "close", "rename",
                                         "sync",   "map",  "look", "folder", "make",  "thread"};

struct Named {
  const char* name;
  int value;
};
constexpr Named kErrors[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EINTR", EINTR},   {"EFBIG", EFBIG},
                             {"EMFILE", EMFILE}, {"EACCES", EACCES}, {"ENOMEM", ENOMEM}, {"EAGAIN", EAGAIN},
                             {"EROFS", EROFS},   {"EINVAL", EINVAL}, {"null", ENOMEM}};
constexpr Named kSignals[] = {{"SIGTERM", SIGTERM}, {"SIGINT", SIGINT}, {"SIGKILL", SIGKILL}};

// What FAULT asks for; group is kGroups for nothing.
int group = kGroups, error = 0, signal_number = 0;
bool is_short = false, goes_on = false;
uint64_t number = 0;

std::atomic<bool> counts_now = false;
std::atomic<uint64_t> own_counts[kGroups + 1];
std::atomic<uint64_t>* counts = own_counts;

int value_of(const char* name, size_t size, const Named* all, size_t many) {
  for (size_t i = 0; i < many; ++i)
    if (std::strlen(all[i].name) == size && std::strncmp(all[i].name, name, size) == 0) return all[i].value;
  return 0;
}

void read_fault(const char* text) {
  for (int i = 0; i < kGroups; ++i) {
    const size_t size = std::strlen(kNames[i]);
    if (std::strncmp(text, kNames[i], size) != 0 || text[size] != ':') continue;
    char* what = nullptr;
    number = std::strtoull(text + size + 1, &what, 10);
    if (*what++ != ':') break;
    const char* end = std::strchr(what, ':');
    goes_on = end != nullptr && std::strcmp(end, ":on") == 0;
    const size_t length = end ? static_cast<size_t>(end - what) : std::strlen(what);
    is_short = length == 5 && std::strncmp(what, "short", length) == 0;
    error = value_of(what, length, kErrors, std::size(kErrors));
    signal_number = value_of(what, length, kSignals, std::size(kSignals));
    if (number == 0 || (!is_short && !error && !signal_number)) break;
    group = i;
    return;
  }
  std::fprintf(stderr, "FAULT: expected CALL:NUMBER:WHAT[:on], found %s\n", text);
  _exit(99);
}

// The call of this name in the library behind this one.
template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// Counts a call. Returns true if it shall fail, with errno set; a signal has been sent then and the call goes on.
bool fails(Group called) {
  if (!counts_now.load(std::memory_order_relaxed)) return false;
  const uint64_t count = ++counts[called];
  if (called != group || count < number || (count > number && !goes_on)) return false;
  ++counts[kGroups];
  if (signal_number) {
    kill(getpid(), signal_number);
    return false;
  }
  errno = error;
  return true;
}

// As fails(), for a call that moves bytes: it may also move half of them.
bool fails(Group called, size_t& bytes) {
  if (!fails(called)) return false;
  if (is_short && bytes > 1) bytes /= 2;
  return !is_short;
}

// Whether a call on a file may fail. Standard error is spared, and so is what wakes a thread (eventfd): writing there
// does not fail.
bool may_fail(int fd) {
  struct stat status {};
  static auto* const look = next<int(int, struct stat*)>("fstat");
  return fd != STDERR_FILENO && (look(fd, &status) != 0 || (status.st_mode & S_IFMT) != 0);
}

mode_t mode_in(int flags, va_list& rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

}  // namespace

#define NEXT(name) static auto* const real = next<decltype(name)>(#name)

extern "C" {

// The C library calls this with main(); everything before it, static objects and libraries, is not counted.
int __libc_start_main(int (*main)(int, char**, char**), int count, char** arguments, void (*init)(), void (*fini)(),
                      void (*rtld_fini)(), void* end) {
  static int (*real_main)(int, char**, char**) = main;
  if (const char* path = std::getenv("FAULT_COUNTS")) {
    const int file = static_cast<int>(next<int(const char*, int, ...)>("open")(path, O_RDWR | O_CLOEXEC));
    void* shared = mmap(nullptr, sizeof own_counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) _exit(99);
    counts = static_cast<std::atomic<uint64_t>*>(shared);
    next<int(int)>("close")(file);
  }
  if (const char* fault = std::getenv("FAULT")) read_fault(fault);
  const auto counted = [](int n, char** argv, char** environment) {
    counts_now = true;
    const int code = real_main(n, argv, environment);
    counts_now = false;
    return code;
  };
  auto* const start = next<int(int (*)(int, char**, char**), int, char**, void (*)(), void (*)(), void (*)(), void*)>(
      "__libc_start_main");
  return start(+counted, count, arguments, init, fini, rtld_fini, end);
}

void* malloc(size_t size) { return fails(kMemory) ? nullptr : __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return fails(kMemory) ? nullptr : __libc_calloc(count, size); }
void* realloc(void* block, size_t size) { return fails(kMemory) ? nullptr : __libc_realloc(block, size); }
void* aligned_alloc(size_t alignment, size_t size) {
  return fails(kMemory) ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  if (fails(kMemory)) return ENOMEM;
  *block = __libc_memalign(alignment, size);
  return *block ? 0 : ENOMEM;
}

int open(const char* path, int flags, ...) {
  NEXT(open);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_in(flags, rest);
  va_end(rest);
  return fails(kOpen) ? -1 : real(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  NEXT(open64);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_in(flags, rest);
  va_end(rest);
  return fails(kOpen) ? -1 : real(path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  NEXT(openat);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_in(flags, rest);
  va_end(rest);
  return fails(kOpen) ? -1 : real(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  NEXT(openat64);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_in(flags, rest);
  va_end(rest);
  return fails(kOpen) ? -1 : real(folder, path, flags, mode);
}
FILE* fopen(const char* path, const char* mode) {
  NEXT(fopen);
  return fails(kOpen) ? nullptr : real(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  NEXT(fopen64);
  return fails(kOpen) ? nullptr : real(path, mode);
}

ssize_t read(int fd, void* to, size_t size) {
  NEXT(read);
  return may_fail(fd) && fails(kRead, size) ? -1 : real(fd, to, size);
}
ssize_t pread(int fd, void* to, size_t size, off_t at) {
  NEXT(pread);
  return may_fail(fd) && fails(kRead, size) ? -1 : real(fd, to, size, at);
}
ssize_t pread64(int fd, void* to, size_t size, off64_t at) {
  NEXT(pread64);
  return may_fail(fd) && fails(kRead, size) ? -1 : real(fd, to, size, at);
}
ssize_t readv(int fd, const iovec* parts, int count) {
  NEXT(readv);
  size_t whole = 1;  // half of it is whole, too
  return may_fail(fd) && fails(kRead, whole) ? -1 : real(fd, parts, count);
}

ssize_t write(int fd, const void* from, size_t size) {
  NEXT(write);
  return may_fail(fd) && fails(kWrite, size) ? -1 : real(fd, from, size);
}
ssize_t pwrite(int fd, const void* from, size_t size, off_t at) {
  NEXT(pwrite);
  return may_fail(fd) && fails(kWrite, size) ? -1 : real(fd, from, size, at);
}
ssize_t pwrite64(int fd, const void* from, size_t size, off64_t at) {
  NEXT(pwrite64);
  return may_fail(fd) && fails(kWrite, size) ? -1 : real(fd, from, size, at);
}
ssize_t writev(int fd, const iovec* parts, int count) {
  NEXT(writev);
  size_t whole = 1;
  return may_fail(fd) && fails(kWrite, whole) ? -1 : real(fd, parts, count);
}

// A file whose close() failed is closed all the same.
int close(int fd) {
  NEXT(close);
  if (!fails(kClose)) return real(fd);
  const int reason = errno;
  real(fd);
  errno = reason;
  return -1;
}

int rename(const char* from, const char* to) {
  NEXT(rename);
  return fails(kRename) ? -1 : real(from, to);
}
int fsync(int fd) {
  NEXT(fsync);
  return fails(kSync) ? -1 : real(fd);
}
int fdatasync(int fd) {
  NEXT(fdatasync);
  return fails(kSync) ? -1 : real(fd);
}

void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
  NEXT(mmap);
  return fails(kMap) ? MAP_FAILED : real(at, size, protection, flags, fd, offset);
}
void* mmap64(void* at, size_t size, int protection, int flags, int fd, off64_t offset) {
  NEXT(mmap64);
  return fails(kMap) ? MAP_FAILED : real(at, size, protection, flags, fd, offset);
}

int stat(const char* path, struct stat* status) {
  NEXT(stat);
  return fails(kLook) ? -1 : real(path, status);
}
int stat64(const char* path, struct stat64* status) {
  NEXT(stat64);
  return fails(kLook) ? -1 : real(path, status);
}
int lstat(const char* path, struct stat* status) {
  NEXT(lstat);
  return fails(kLook) ? -1 : real(path, status);
}
int lstat64(const char* path, struct stat64* status) {
  NEXT(lstat64);
  return fails(kLook) ? -1 : real(path, status);
}
int fstat(int fd, struct stat* status) {
  NEXT(fstat);
  return fails(kLook) ? -1 : real(fd, status);
}
int fstat64(int fd, struct stat64* status) {
  NEXT(fstat64);
  return fails(kLook) ? -1 : real(fd, status);
}

DIR* opendir(const char* path) {
  NEXT(opendir);
  return fails(kFolder) ? nullptr : real(path);
}
DIR* fdopendir(int fd) {
  NEXT(fdopendir);
  return fails(kFolder) ? nullptr : real(fd);
}
dirent* readdir(DIR* folder) {
  NEXT(readdir);
  return fails(kFolder) ? nullptr : real(folder);
}
dirent64* readdir64(DIR* folder) {
  NEXT(readdir64);
  return fails(kFolder) ? nullptr : real(folder);
}

int mkdir(const char* path, mode_t mode) {
  NEXT(mkdir);
  return fails(kMake) ? -1 : real(path, mode);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
  NEXT(pthread_create);
  return fails(kThread) ? errno : real(thread, attributes, body, argument);
}

}  // extern "C"
