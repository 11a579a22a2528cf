// What ThreadSanitizer is told of fences and atomic operations: that they order threads as fences of C++ and relaxed
// operations do. A fence of one thread comes before a fence of another only if an atomic operation after the first one
// was seen by one before the second, at the same address. Without this sanitizer nothing calls it.
#pragma once
#include <array>
#include <cstddef>

namespace gpt2run::executor {

class Fences {
 public:
  // What is known of one thread of a block.
  struct Own {
    const char* last = nullptr;            // the sanitizer's name of its last fence
    std::array<const void*, 4> touched{};  // the latest addresses of its atomic operations since then
    size_t count = 0;
  };

  static void begin_launch();  // launches are ordered anyway
  static void fence(Own&);
  static void atomic(Own&, const void* at);
};

}  // namespace gpt2run::executor
