// A line for standard error that a signal handler may write: it takes no memory of the heap.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace gpt2run {

// The line is written at once, so that no line of another thread gets into it. What does not fit is left out.
class SignalLine {
 public:
  SignalLine& add(const char* text) {
    const size_t size = std::min(std::strlen(text), text_.size() - 1 - size_);  // one is left for the line's end
    std::copy_n(text, size, text_.begin() + static_cast<ptrdiff_t>(size_));
    size_ += size;
    return *this;
  }
  void say() {
    const int before = errno;
    text_[size_] = '\n';
    [[maybe_unused]] const auto written = write(STDERR_FILENO, text_.data(), size_ + 1);
    errno = before;
  }

 private:
  std::array<char, 4096> text_;
  size_t size_ = 0;
};

}  // namespace gpt2run
