// Downloads: copies many pieces of device memory to the host with a single wait. The copies go through page-locked
// memory, because a copy to any other host memory waits by itself.
#pragma once
#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <span>

#include "gpt2run/precision.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"

namespace gpt2run::cuda {

// One thread at a time. Keeps as much page-locked memory as the largest read so far needed, but at most kMostBytes.
class Downloads {
 public:
  static constexpr size_t kMostBytes = size_t{16} << 20;

  // Waits once for the stream's work and all pieces, or once per kMostBytes if they are larger. Throws Error.
  void read(std::span<const Transfer> pieces, void* stream) {
    reserve(pieces);
    size_t used = 0, first = 0, offset = 0;  // first, offset: the piece and byte where memory_ begins
    for (size_t i = 0; i < pieces.size(); ++i) {
      for (size_t done = 0; done < pieces[i].bytes;) {
        if (used == bytes_) flush(pieces, first, offset, used, stream);
        const size_t part = std::min(pieces[i].bytes - done, bytes_ - used);
        enqueue_download(static_cast<const char*>(pieces[i].from) + done, memory_.get() + used, part, stream);
        done += part, used += part;
      }
    }
    flush(pieces, first, offset, used, stream);
  }

 private:
  struct Release {
    void operator()(char* memory) const { release_pinned(memory); }
  };

  void reserve(std::span<const Transfer> pieces) {
    size_t bytes = 0;
    for (const Transfer& piece : pieces) bytes += piece.bytes;
    bytes = std::min(std::bit_ceil(std::max(bytes, size_t{4096})), kMostBytes);
    if (bytes <= bytes_) return;
    memory_.reset(), bytes_ = 0;
    memory_.reset(static_cast<char*>(allocate_pinned(bytes)));
    bytes_ = bytes;
  }

  // Waits, then copies the `used` bytes that have arrived to their places, from byte `offset` of pieces[first] on.
  void flush(std::span<const Transfer> pieces, size_t& first, size_t& offset, size_t& used, void* stream) {
    if (used > 0) wait(stream);
    for (size_t at = 0; at < used;) {
      const Transfer& piece = pieces[first];
      const size_t part = std::min(piece.bytes - offset, used - at);
      std::memcpy(static_cast<char*>(piece.to) + offset, memory_.get() + at, part);
      at += part, offset += part;
      if (offset == piece.bytes) ++first, offset = 0;
    }
    used = 0;
  }

  std::unique_ptr<char, Release> memory_;
  size_t bytes_ = 0;
};

}  // namespace gpt2run::cuda
