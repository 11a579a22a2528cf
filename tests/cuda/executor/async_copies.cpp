#include "async_copies.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace gpt2run::executor {
namespace {

bool aligned(const void* at) { return reinterpret_cast<uintptr_t>(at) % AsyncCopies::kBytes == 0; }

}  // namespace

const char* AsyncCopies::start(void* to, const void* from) {
  if (!aligned(to) || !aligned(from)) return "starts a copy whose address is not a multiple of 16";
  const auto same = [&](const Copy& copy) { return copy.to == to; };
  if (std::any_of(copies_.begin(), copies_.begin() + count_, same))
    return "starts a copy to where another one is in flight";
  if (count_ == kMost) return "has more than 64 copies in flight";
  Copy& copy = copies_[count_++];
  copy.to = to, copy.from = from, copy.group = groups_;
  std::memcpy(copy.bytes, from, kBytes);
  return nullptr;
}

const char* AsyncCopies::wait(int left) {
  int done = 0;
  for (; done < count_ && copies_[done].group < groups_ - left; ++done) {
    const Copy& copy = copies_[done];
    if (std::memcmp(copy.bytes, copy.from, kBytes) != 0) return "waits for a copy whose source has changed since";
    std::memcpy(copy.to, copy.bytes, kBytes);
  }
  std::copy(copies_.begin() + done, copies_.begin() + count_, copies_.begin());
  count_ -= done;
  return nullptr;
}

}  // namespace gpt2run::executor
