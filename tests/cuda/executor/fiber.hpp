// A fiber runs a function on a stack of its own until it yields. The threads of a block are fibers of one OS thread. A
// fiber may be resumed only by the thread that made it.
#pragma once
#include <cstddef>
#include <functional>

namespace gpt2run::executor {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;

  // The next resume() calls body, which must not throw. Whatever ran in this fiber before is dropped.
  void start(const std::function<void()>* body);

  // Runs until the body yields (false) or returns (true).
  bool resume();

  // Called from inside a fiber.
  static void yield();

 private:
  [[noreturn]] static void enter();
  void leave();

  static constexpr size_t kBytes = 256 << 10;  // mapped when touched
  char* stack_;
  void* here_ = nullptr;  // stack pointers while not running
  void* home_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  bool done_ = false;
  void* fake_ = nullptr;  // of AddressSanitizer
  const void* home_stack_ = nullptr;
  size_t home_bytes_ = 0;
  void* tsan_ = nullptr;
  void* tsan_home_ = nullptr;
};

}  // namespace gpt2run::executor
