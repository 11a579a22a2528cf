// The host's side of a device: memory, streams, copies and graphs, as far as sessions and samplers need them. Over the
// CUDA runtime, or over the executor of the tests. All throw Error with the runtime's own words.
#pragma once
#include <cstddef>
#include <memory>

#include "gpt2run/plugin.hpp"

namespace gpt2run::cuda {

#if defined(__CUDACC__)
inline constexpr Space kSpace = Space::cuda;
#else
inline constexpr Space kSpace = Space::test;
#endif

// Whether a device of this machine can run these kernels; opens no context.
Probe probe();

// Makes it the calling thread's. Throws Error where there is no such device, where it is too old for these kernels, and
// where others keep it busy.
void open_device(int device);

// The calling thread's device from here on: one that was opened. Costs nothing where it already is, so that it may
// stand in what is recorded.
void use_device(int device);

void* allocate(size_t bytes);  // uninitialised, 256-byte aligned; where memory is short the error says how much is free
void release(void* memory) noexcept;

void* make_stream();
void release_stream(void* stream) noexcept;
void wait(void* stream);  // for all that was enqueued

// Page-locked memory of the host: what upload_pinned reads, and what enqueue_download writes without a wait. 256-byte
// aligned.
void* allocate_pinned(size_t bytes);
void release_pinned(void* memory) noexcept;

void upload(void* to, const void* host, size_t bytes, void* stream);           // may wait: host is free on return
void upload_pinned(void* to, const void* pinned, size_t bytes, void* stream);  // not before the stream has passed it
void download(const void* from, void* host, size_t bytes, void* stream);       // waits
// The same without the wait: the host's memory must stay as it is until the stream has passed the copy. A copy to
// memory of the host that is not page-locked waits nevertheless.
void enqueue_upload(void* to, const void* host, size_t bytes, void* stream);
void enqueue_download(const void* from, void* host, size_t bytes, void* stream);
void copy(void* to, const void* from, size_t bytes, void* stream);  // not overlapping
void copy_rows(void* to, const void* from, size_t bytes, size_t stride, size_t rows, void* stream);
void fill_zero(void* to, size_t bytes, void* stream);

// A mark in a stream: wait_mark returns when the stream has passed the last set_mark, at once if there was none.
void* make_mark();
void release_mark(void* mark) noexcept;
void set_mark(void* mark, void* stream);
void wait_mark(void* mark);

// From begin_capture to end_capture what this thread enqueues on the stream is recorded and not run.
void begin_capture(void* stream);
void* end_capture(void* stream);
void abandon_capture(void* stream) noexcept;  // in place of end_capture: nothing is kept
void replay(void* graph, void* stream);
void release_graph(void* graph) noexcept;

// (count) in device memory, owned.
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
