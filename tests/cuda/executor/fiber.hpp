// Fiber: runs a function on its own stack until it yields. The threads of a block are fibers of one OS thread. Only the
// thread that made a fiber may resume it.
#pragma once
#include <cstddef>
#include <functional>

namespace gpt2run::executor {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;

  // Makes the next resume() call body, which must not throw. Whatever ran in this fiber before is dropped.
  void start(const std::function<void()>* body);

  // Runs until the body yields or returns. Returns true if it has returned.
  bool resume();

  // Called from inside a fiber.
  static void yield();

 private:
  [[noreturn]] static void enter();
  void leave();

  static constexpr size_t kBytes = 256 << 10;  // memory is used only once it is touched
  char* stack_;
  void* here_ = nullptr;  // stack pointers while not running
  void* home_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  bool done_ = false;
  // Of AddressSanitizer, and then of ThreadSanitizer.
  [[maybe_unused]] void* fake_ = nullptr;
  [[maybe_unused]] const void* home_stack_ = nullptr;
  [[maybe_unused]] size_t home_bytes_ = 0;
  [[maybe_unused]] void* tsan_ = nullptr;
  [[maybe_unused]] void* tsan_home_ = nullptr;
};

}  // namespace gpt2run::executor
