// Python's lock (the GIL): computing without it, and ending with the interpreter.
#pragma once

namespace gpt2run::python {

// Gives Python's lock away from construction to destruction, so that other threads of Python run. Throws Error once
// the interpreter shuts down. Constructed by a thread that has the lock.
class WithoutLock {
 public:
  WithoutLock();
  ~WithoutLock();
  WithoutLock(const WithoutLock&) = delete;
  WithoutLock& operator=(const WithoutLock&) = delete;

 private:
  void* thread_;
};

// To be called between two steps, without the lock. Throws what a handler of a signal has raised, such as
// KeyboardInterrupt, and Error once the interpreter shuts down. Looks for signals a few times per second only, because
// another thread may keep the lock for a while.
void check_signals();

// Ends what computes without the lock, and waits for it: a thread that asked for the lock after the interpreter has
// gone would be ended in the middle of C++ code. Nothing computes afterwards. Called with the lock, at exit.
void shut_down();

// In a forked child, where the threads that computed are not.
void forget_threads();

}  // namespace gpt2run::python
