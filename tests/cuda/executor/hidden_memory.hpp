// HiddenMemory: hides device memory from a kernel that may run before the one in front of it has ended. On a device
// such a kernel reads what the one in front has not written yet, or has not read yet. Here it reads NaN, in every
// order.
#pragma once
#include <cstddef>
#include <mutex>
#include <vector>

namespace gpt2run::executor {

// The device memory that can be hidden: all that was allocated, less what was released or declared read-only. They wait
// while another thread has hidden memory.
void add_memory(void* at, size_t bytes);
void remove_memory(const void* at);

// Held by the thread that runs a kernel or copies device memory, which may have to wait until another thread shows what
// it has hidden.
std::recursive_mutex& running();

// The thread holds running() from hide() until show().
class HiddenMemory {
 public:
  // Fills all device memory that can be hidden with NaN.
  void hide();
  // Restores it. Returns false if somebody wrote to it. Returns true if nothing is hidden.
  bool show();

 private:
  struct Part {
    std::byte* at;
    size_t bytes;
  };
  std::vector<Part> parts_;
  std::vector<std::byte> contents_;  // of all parts
};

}  // namespace gpt2run::executor
