// Ranges of host time for a profiler (NVTX, in the domain gpt2run). Without a profiler a range costs one pointer check.
// Ranges nest: the innermost ends first. A decode step is recorded within its own ranges, but replayed in a single one.
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#include <nvtx3/nvToolsExt.h>
#else
#include "gpt2run/sdk/cuda/executor.hpp"
#endif

namespace gpt2run::cuda {

// A range that lasts as long as the object. The name must live as long. number: for example the layer; not shown if
// negative.
class Range {
 public:
#if defined(__CUDACC__)
  explicit Range(const char* name, int64_t number = -1) {
    nvtxEventAttributes_t event = {};
    event.version = NVTX_VERSION, event.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    event.messageType = NVTX_MESSAGE_TYPE_ASCII, event.message.ascii = name;
    if (number >= 0) event.payloadType = NVTX_PAYLOAD_TYPE_INT64, event.payload.llValue = number;
    nvtxDomainRangePushEx(domain(), &event);
  }
  ~Range() { nvtxDomainRangePop(domain()); }
#else
  explicit Range(const char* name, int64_t number = -1) { executor::begin_range(name, number); }
  ~Range() { executor::end_range(); }
#endif
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

#if defined(__CUDACC__)
 private:
  static nvtxDomainHandle_t domain() {
    static const nvtxDomainHandle_t own = nvtxDomainCreateA("gpt2run");
    return own;
  }
#endif
};

}  // namespace gpt2run::cuda
