#include "fences.hpp"

#if defined(GPT2RUN_EXECUTOR_TSAN)
#include <sanitizer/tsan_interface.h>

#include <algorithm>
#include <atomic>

#include "gpt2run/error.hpp"

extern "C" void AnnotateBenignRaceSized(const char* file, int line, const volatile void* at, size_t bytes,
                                        const char* why);

namespace gpt2run::executor {
namespace {

constexpr size_t kMostFences = 1 << 16;

// An atomic operation whose thread had passed a fence before.
struct Published {
  const void* at;
  const char* fence;
};

// Plain arrays, because the sanitizer watches what a thread allocates.
char names[kMostFences];  // a name for each fence: its address
size_t named = 0, published_count = 0;
Published published[kMostFences];

// A lock that the sanitizer does not see, since the executor is compiled without it.
std::atomic_flag busy;
struct Locked {
  Locked() {
    while (busy.test_and_set()) {
    }
  }
  ~Locked() { busy.clear(); }
};

}  // namespace

void Fences::begin_launch() {
  const Locked lock;
  named = published_count = 0;
}

void Fences::fence(Own& own) {
  const Locked lock;
  for (size_t i = 0; i < std::min(own.count, own.touched.size()); ++i) {
    bool seen = false;
    for (size_t j = 0; j < published_count; ++j) {
      if (published[j].at != own.touched[i]) continue;
      seen = true;
      __tsan_acquire(const_cast<char*>(published[j].fence));
    }
    // A counter that orders blocks is set back by one of them. Operations on one address are ordered by themselves.
    if (seen) AnnotateBenignRaceSized(__FILE__, __LINE__, own.touched[i], sizeof(int), "a counter of blocks");
  }
  own.count = 0;
  if (named == kMostFences) fail("the executor can follow ", kMostFences, " fences of a launch, found more");
  own.last = &names[named++];
  __tsan_release(const_cast<char*>(own.last));
}

void Fences::atomic(Own& own, const void* at) {
  own.touched[own.count++ % own.touched.size()] = at;
  if (!own.last) return;
  const Locked lock;
  if (published_count == kMostFences) fail("the executor can follow ", kMostFences, " atomic operations behind fences");
  published[published_count++] = {at, own.last};
}

}  // namespace gpt2run::executor
#else
namespace gpt2run::executor {

void Fences::begin_launch() {}
void Fences::fence(Own&) {}
void Fences::atomic(Own&, const void*) {}

}  // namespace gpt2run::executor
#endif
