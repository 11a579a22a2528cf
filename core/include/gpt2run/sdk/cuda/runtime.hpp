// The host's side of a device: memory, streams, copies, events and graphs for sessions and samplers. It is implemented
// with the CUDA runtime, or by the executor of the tests. Every function that is not noexcept throws Error with the
// CUDA runtime's message.
#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "gpt2run/plugin.hpp"

namespace gpt2run::cuda {

#if defined(__CUDACC__)
inline constexpr Space kSpace = Space::cuda;
#else
inline constexpr Space kSpace = Space::test;
#endif

// Tells whether a device of this machine can run these kernels, without opening a context.
Probe probe();

// Selects the device for the calling thread. Throws Error if there is no such device, if it is too old for these
// kernels, or if it is busy.
void open_device(int device);

// Selects a device that was opened before, for the calling thread. Everything that launches or allocates calls this
// first. It costs almost nothing if the device is already selected, and may be called while a graph is recorded.
void use_device(int device);

// Device memory, uninitialised and 256-byte aligned. If memory is short, the error says how much is free.
void* allocate(size_t bytes);
// Waits for the work of all streams of the device before it frees the memory.
void release(void* memory) noexcept;

void* make_stream();
void release_stream(void* stream) noexcept;
void wait(void* stream);  // until all enqueued work is done

// Declares that nothing writes this memory, which allocate() returned, until it is released: a kernel may then read it
// before it waits for the kernel in front (wait_for_previous_kernel in device.hpp). All writes to it have been waited
// for.
void set_read_only(const void* memory);

// Why kernels cannot be launched on a dependent KernelStream of the device (device.hpp), or "" if they can.
std::string why_no_dependent_launch(int device);

// Page-locked host memory, 256-byte aligned. upload_pinned and enqueue_download use it to copy without waiting.
void* allocate_pinned(size_t bytes);
void release_pinned(void* memory) noexcept;

// May wait. `host` may be reused on return.
void upload(void* to, const void* host, size_t bytes, void* stream);
// Does not wait. `pinned` must not change before the stream has passed the copy.
void upload_pinned(void* to, const void* pinned, size_t bytes, void* stream);
// Waits for the copy.
void download(const void* from, void* host, size_t bytes, void* stream);
// These two do not wait: `host` must not be changed or read before the stream has passed the copy. A download to memory
// that is not page-locked waits nevertheless.
void enqueue_upload(void* to, const void* host, size_t bytes, void* stream);
void enqueue_download(const void* from, void* host, size_t bytes, void* stream);
// Copies within device memory; the two must not overlap. copy_rows copies `bytes` from the start of each of `rows`
// rows, which are `stride` bytes apart in both arrays.
void copy(void* to, const void* from, size_t bytes, void* stream);
void copy_rows(void* to, const void* from, size_t bytes, size_t stride, size_t rows, void* stream);
void fill_zero(void* to, size_t bytes, void* stream);

// An event marks a point in a stream. wait_event returns when the stream has passed the last record_event, or at once
// if the event was never recorded.
void* make_event();
void release_event(void* event) noexcept;
void record_event(void* event, void* stream);
void wait_event(void* event);

// Work that this thread enqueues on the stream between begin_capture and end_capture is recorded in a graph instead of
// being run.
void begin_capture(void* stream);
void* end_capture(void* stream);
void abandon_capture(void* stream) noexcept;  // instead of end_capture: drops the recording
void replay(void* graph, void* stream);
void release_graph(void* graph) noexcept;

// An array (count) in device memory that it owns.
template <class T>
class Array {
 public:
  Array() = default;
  explicit Array(size_t count) : data_(static_cast<T*>(allocate(count * sizeof(T)))), count_(count) {}

  T* data() const { return data_.get(); }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }

 private:
  struct Release {
    void operator()(T* memory) const { release(memory); }
  };
  std::unique_ptr<T, Release> data_;
  size_t count_ = 0;
};

}  // namespace gpt2run::cuda

#if defined(__CUDACC__)
#include "gpt2run/sdk/cuda/runtime_cuda.hpp"
#endif
