// The host's side of a device: the memory, streams, copies and graphs that sessions and samplers need. It stands over
// the CUDA runtime, or over the executor of the tests. Every function that is not noexcept throws Error with the words
// of the CUDA runtime.
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

// Selects the device for the calling thread. Throws Error where there is no such device, where it is too old for these
// kernels, and where it is busy.
void open_device(int device);

// Selects a device that was opened before, for the calling thread. Everything that launches or allocates calls it
// first. It costs nothing where the device is selected already, and may be called while a graph is recorded.
void use_device(int device);

void* allocate(size_t bytes);  // uninitialised, 256-byte aligned; where memory is short the error says how much is free
void release(void* memory) noexcept;  // waits for the work of every stream of the device

void* make_stream();
void release_stream(void* stream) noexcept;
void wait(void* stream);  // until all that was enqueued is done

// Page-locked memory of the host, 256-byte aligned: upload_pinned reads it, and enqueue_download writes it without
// waiting.
void* allocate_pinned(size_t bytes);
void release_pinned(void* memory) noexcept;

void upload(void* to, const void* host, size_t bytes, void* stream);  // may wait; `host` may be reused on return
// `pinned` must not change before the stream has passed the copy.
void upload_pinned(void* to, const void* pinned, size_t bytes, void* stream);
void download(const void* from, void* host, size_t bytes, void* stream);  // waits
// These do not wait. `host` must not change or be read before the stream has passed the copy. A download to memory that
// is not page-locked waits nevertheless.
void enqueue_upload(void* to, const void* host, size_t bytes, void* stream);
void enqueue_download(const void* from, void* host, size_t bytes, void* stream);
void copy(void* to, const void* from, size_t bytes, void* stream);  // the two must not overlap
void copy_rows(void* to, const void* from, size_t bytes, size_t stride, size_t rows, void* stream);
void fill_zero(void* to, size_t bytes, void* stream);

// An event marks a place in a stream. wait_event returns when the stream has passed the last record_event, or at once
// if there was none.
void* make_event();
void release_event(void* event) noexcept;
void record_event(void* event, void* stream);
void wait_event(void* event);

// What this thread enqueues on the stream between begin_capture and end_capture is recorded in a graph, and not run.
void begin_capture(void* stream);
void* end_capture(void* stream);
void abandon_capture(void* stream) noexcept;  // in place of end_capture: the recording is dropped
void replay(void* graph, void* stream);
void release_graph(void* graph) noexcept;

// An array (count) in device memory, which it owns.
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
