// The read bandwidth of this machine's memory. It limits decode, which reads all weights once per step.
#pragma once
#include <cstddef>
#include <memory>

namespace gpt2run {

// A block of memory to read. All its pages are present, in huge pages where the system has them. Used by one caller at
// a time.
class ReadBandwidth {
 public:
  // bytes: the size of the block, rounded up to whole huge pages. Throws Error when there is not enough memory.
  explicit ReadBandwidth(size_t bytes);

  // Reads the block once and returns the bytes per second. Each of `threads` threads reads its own part, with the
  // widest loads that the machine has.
  double measure(int threads) const;

 private:
  struct Free {
    void operator()(std::byte* at) const;
  };
  size_t bytes_;
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace gpt2run
