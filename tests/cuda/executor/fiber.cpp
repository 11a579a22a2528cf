// Fibers are switched by a dozen instructions on x86-64, and by swapcontext elsewhere. The sanitizers are told of every
// switch.
#include "fiber.hpp"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(GPT2RUN_EXECUTOR_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__x86_64__)
// Saves the callee-saved registers, then the stack pointer to *from, and continues where `to` was saved. It jumps
// there, since a processor foretells where a return leads by the calls before it, which were those of the other fiber.
extern "C" void gpt2run_executor_switch(void** from, void* to);
asm(R"(
.text
.hidden gpt2run_executor_switch
.globl gpt2run_executor_switch
.type gpt2run_executor_switch, @function
gpt2run_executor_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmpq *%rcx
.size gpt2run_executor_switch, .-gpt2run_executor_switch
)");
#endif

namespace gpt2run::executor {
namespace {

thread_local Fiber* running = nullptr;

#if defined(__x86_64__)
void switch_stack(void** from, void* to) { gpt2run_executor_switch(from, to); }

void* fresh_stack(char* stack, size_t bytes, void (*enter)()) {
  auto* top = reinterpret_cast<uint64_t*>(stack + bytes);
  *--top = 0;  // the return address of enter(), never used; also aligns the stack as a call does
  *--top = reinterpret_cast<uint64_t>(enter);
  for (int i = 0; i < 6; ++i) *--top = 0;
  return top;
}
#else
void switch_stack(void** from, void* to) {
  ucontext_t own;
  *from = &own;
  swapcontext(&own, static_cast<ucontext_t*>(to));
}

void* fresh_stack(char* stack, size_t bytes, void (*enter)()) {
  auto* context = reinterpret_cast<ucontext_t*>(stack + bytes - sizeof(ucontext_t) - 64);
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = bytes - sizeof(ucontext_t) - 128;
  context->uc_link = nullptr;
  makecontext(context, enter, 0);
  return context;
}
#endif

}  // namespace

Fiber::Fiber() {
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  stack_ = static_cast<char*>(memory);
}

Fiber::~Fiber() {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, kBytes);
#endif
#if defined(GPT2RUN_EXECUTOR_TSAN)
  if (tsan_) __tsan_destroy_fiber(tsan_);
#endif
  munmap(stack_, kBytes);
}

void Fiber::start(const std::function<void()>* body) {
  const bool fresh = !here_ || !done_;
  body_ = body, done_ = false;
  if (!fresh) return;  // the fiber waits in enter() for its next body
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, kBytes);
  fake_ = nullptr;
#endif
#if defined(GPT2RUN_EXECUTOR_TSAN)
  if (tsan_) __tsan_destroy_fiber(tsan_);
  tsan_ = __tsan_create_fiber(0);
#endif
  here_ = fresh_stack(stack_, kBytes, &Fiber::enter);
}

bool Fiber::resume() {
  running = this;
#if defined(__SANITIZE_ADDRESS__)
  void* home_fake = nullptr;
  __sanitizer_start_switch_fiber(&home_fake, stack_, kBytes);
#endif
#if defined(GPT2RUN_EXECUTOR_TSAN)
  tsan_home_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_, __tsan_switch_to_fiber_no_sync);
#endif
  switch_stack(&home_, here_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(home_fake, nullptr, nullptr);
#endif
  running = nullptr;
  return done_;
}

void Fiber::leave() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_, home_stack_, home_bytes_);
#endif
#if defined(GPT2RUN_EXECUTOR_TSAN)
  __tsan_switch_to_fiber(tsan_home_, __tsan_switch_to_fiber_no_sync);
#endif
  switch_stack(&here_, home_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_, &home_stack_, &home_bytes_);
#endif
}

void Fiber::yield() { running->leave(); }

void Fiber::enter() {
  Fiber& self = *running;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &self.home_stack_, &self.home_bytes_);
#endif
  for (;;) {
    (*self.body_)();
    self.done_ = true;
    self.leave();
  }
}

}  // namespace gpt2run::executor
