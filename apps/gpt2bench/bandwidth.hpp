// How fast this machine reads memory: the limit of every decode, whose weights are read once per step.
#pragma once
#include <cstddef>
#include <memory>

namespace gpt2run {

// A block of memory, every page of it there, in large pages where the system has them. Read by one caller at a time.
class ReadBandwidth {
 public:
  explicit ReadBandwidth(size_t bytes);  // rounded up to whole large pages; throws Error when memory is short

  // Bytes per second of one pass by `threads` threads, each over its own part, with the widest loads of the machine.
  double measure(int threads) const;

 private:
  struct Free {
    void operator()(std::byte* at) const;
  };
  size_t bytes_;
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace gpt2run
