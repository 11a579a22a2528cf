// Gives every thread a second stack for signal handlers, so that a thread whose stack is full gets the line of a crash
// (NoSilentEnd) as the main thread does. It is part of the programs alone, and takes the place of the C library's
// pthread_create(), which is called by all threads' makers: the standard library, plugins, and what they link to.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <new>

namespace {

using Routine = void* (*)(void*);

struct Start {
  Routine routine;
  void* argument;
};

// The second stack of the calling thread, unless there is one already or no memory for it.
class SignalStack {
 public:
  SignalStack() {
    stack_t before{};
    if (sigaltstack(nullptr, &before) != 0 || !(before.ss_flags & SS_DISABLE)) return;
    memory_ = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    const stack_t stack{memory_, 0, kBytes};
    if (memory_ != MAP_FAILED) sigaltstack(&stack, nullptr);
  }
  ~SignalStack() {
    if (memory_ == MAP_FAILED) return;
    const stack_t none{nullptr, SS_DISABLE, 0};
    sigaltstack(&none, nullptr);
    munmap(memory_, kBytes);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  static constexpr size_t kBytes = 1 << 16;
  void* memory_ = MAP_FAILED;
};

void* run(void* given) {
  const Start start = *std::unique_ptr<Start>(static_cast<Start*>(given));
  const SignalStack stack;
  return start.routine(start.argument);
}

}  // namespace

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, Routine routine, void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, Routine, void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (!create) return EAGAIN;
  std::unique_ptr<Start> start(new (std::nothrow) Start{routine, argument});
  if (!start) return create(thread, attributes, routine, argument);
  const int error = create(thread, attributes, run, start.get());
  if (error == 0) static_cast<void>(start.release());  // the thread deletes it
  return error;
}
