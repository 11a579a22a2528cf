// Staging: uploads weights to the device. The file's raw bytes go through two page-locked buffers, so that the host
// fills one while the device reads the other.
#pragma once
#include <algorithm>
#include <cstring>

#include "gpt2run/sdk/cuda/runtime.hpp"
#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::cuda {

// The order of a tensor's elements in memory: `count` lines of `length` elements.
struct Lines {
  int64_t count, length;
  int64_t line_step, element_step;  // in elements
  bool transposed;                  // a line is a column of the tensor, as in Hugging Face's Conv1D
};

inline Lines lines_of(const Tensor& t) {
  if (t.row_stride == 1 && t.col_stride != 1) return {t.cols, t.rows, t.col_stride, 1, true};
  return {t.rows, t.cols, t.row_stride, t.col_stride, false};
}

// A part of a tensor: elements [element, element + length) of lines [line, line + count).
struct Piece {
  int64_t line, count, element, length;
};

// Copies a piece to `out`, line by line and without gaps.
inline void copy_piece(const Tensor& t, const Lines& lines, const Piece& piece, char* out) {
  const size_t bytes = bytes_of(t.type);
  const char* from = static_cast<const char*>(t.data) +
                     (piece.line * lines.line_step + piece.element * lines.element_step) * int64_t(bytes);
  if (lines.element_step == 1 && (piece.count == 1 || lines.line_step == piece.length)) {
    std::memcpy(out, from, piece.count * piece.length * bytes);
    return;
  }
  for (int64_t l = 0; l < piece.count; ++l, from += lines.line_step * int64_t(bytes)) {
    if (lines.element_step == 1) {
      std::memcpy(out, from, piece.length * bytes), out += piece.length * bytes;
      continue;
    }
    for (int64_t e = 0; e < piece.length; ++e, out += bytes)
      std::memcpy(out, from + e * lines.element_step * int64_t(bytes), bytes);
  }
}

// One thread at a time. Throws Error if memory is short, and what wait() throws.
class Staging {
 public:
  // bytes: size of each buffer, a multiple of 4.
  Staging(size_t bytes, void* stream) : stream_(stream), bytes_(bytes), arrived_(bytes) {
    for (Buffer& buffer : buffers_) {
      buffer.memory.reset(static_cast<char*>(allocate_pinned(bytes)));
      buffer.read.reset(make_event());
    }
  }
  Staging(const Staging&) = delete;

  // Waits, because the stream may still be reading the buffers.
  ~Staging() {
    try {
      wait(stream_);
    } catch (const Error&) {  // the next wait will throw it again
    }
  }

  // Enqueues the upload of t, in pieces that fit a buffer, and calls use(lines, piece, raw) after each. raw is the
  // piece in device memory, (count, length), valid until the next upload on the stream.
  template <class Use>
  void send(const Tensor& t, Use use) {
    const Lines lines = lines_of(t);
    const int64_t capacity = int64_t(bytes_) / bytes_of(t.type);
    const int64_t length = std::min(lines.length, capacity),
                  count = std::max<int64_t>(1, capacity / std::max<int64_t>(1, length));
    for (int64_t line = 0; line < lines.count; line += count) {
      for (int64_t element = 0; element < lines.length; element += length) {
        const Piece piece = {line, std::min(count, lines.count - line), element,
                             std::min(length, lines.length - element)};
        upload_piece(t, lines, piece);
        use(lines, piece, arrived_.data());
      }
    }
  }

 private:
  struct Buffer {
    struct Release {
      void operator()(char* memory) const { release_pinned(memory); }
    };
    struct ReleaseEvent {
      void operator()(void* event) const { release_event(event); }
    };
    std::unique_ptr<char, Release> memory;
    std::unique_ptr<void, ReleaseEvent> read;  // recorded when the stream has read the memory
  };

  void upload_piece(const Tensor& t, const Lines& lines, const Piece& piece) {
    Buffer& buffer = buffers_[next_];
    next_ = 1 - next_;
    wait_event(buffer.read.get());
    copy_piece(t, lines, piece, buffer.memory.get());
    upload_pinned(arrived_.data(), buffer.memory.get(), piece.count * piece.length * bytes_of(t.type), stream_);
    record_event(buffer.read.get(), stream_);
  }

  void* stream_;
  size_t bytes_;
  Buffer buffers_[2];
  int next_ = 0;
  Array<char> arrived_;  // in device memory
};

}  // namespace gpt2run::cuda
