// The executor's device: launches, streams that run when somebody waits for them, memory, graphs and counts.
#include "gpt2run/sdk/cuda/runtime.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <random>
#include <thread>
#include <utility>

#include "block.hpp"
#include "gpt2run/error.hpp"
#include "grid.hpp"
#include "host_work.hpp"
#include "memory.hpp"

namespace gpt2run::executor {
namespace {

constexpr int kMostBlocks = 65535;  // in y and z

Settings from_environment() {
  Settings settings;
  const char* text = std::getenv("GPT2RUN_EXECUTOR");
  if (!text) return settings;
  const std::string words = text;
  if (words == "descending") settings.schedule = Schedule::descending;
  if (words.starts_with("random:"))
    settings = {Schedule::random, std::strtoull(words.c_str() + std::strlen("random:"), nullptr, 10), 1};
  return settings;
}

std::mutex mutex;
Settings current = from_environment();
Counts total = {};
std::vector<std::string>* watched = nullptr;
thread_local size_t open_ranges = 0;
thread_local bool recording = false;   // this thread is recording a graph
thread_local int current_device = 0;   // the device that this thread has selected
std::map<const char*, size_t> pinned;  // page-locked memory: address and size of each allocation

// The CUDA runtime refuses such a call too, and the recording is lost.
void refuse_while_recording(const char* what) {
  if (recording) fail(what, ": not while this thread records a graph");
}

void check(const Launch& launch) {
  const auto refuse = [&](const char* what, size_t found, size_t most) {
    fail("kernel ", launch.name, ": expected 1 to ", most, " ", what, ", found ", found);
  };
  if (launch.bound == 0) fail("kernel ", launch.name, ": expected a bound of its threads, found none: GPT2RUN_KERNEL");
  if (launch.threads < 1 || launch.threads > launch.bound) refuse("threads of a block", launch.threads, launch.bound);
  if (launch.shared > launch.most_shared) refuse("bytes of shared memory", launch.shared, launch.most_shared);
  for (int i = 0; i < 3; ++i) {
    const int most = i == 0 ? std::numeric_limits<int>::max() : kMostBlocks;
    if (launch.blocks[i] < 1 || launch.blocks[i] > most) refuse("blocks", launch.blocks[i], most);
  }
  const int most_of_cluster = std::max(1, settings().cluster);
  if (launch.cluster < 1 || launch.cluster > most_of_cluster)
    refuse("blocks of a cluster", launch.cluster, most_of_cluster);
  if (launch.blocks[0] % launch.cluster != 0)
    fail("kernel ", launch.name, ": expected a multiple of ", launch.cluster, " blocks, found ", launch.blocks[0]);
}

void run_grid(const Launch& launch, const std::function<void()>& body) {
  Settings settings;
  {
    const std::lock_guard guard(mutex);
    settings = current;
    ++total.launches, total.dependent += launch.dependent;
  }
  Grid grid(launch, body, settings);
  grid.run();
  const std::lock_guard guard(mutex);
  total.steps += grid.steps(), total.contended += grid.contended();
}

using Work = std::function<void()>;
using Graph = std::vector<Work>;

// An event, with the stream in which it was last recorded.
struct Event {
  int device = 0;  // the device that was selected when the event was made
  void* stream = nullptr;
  std::shared_ptr<bool> passed;
};

// A stream. Its functions are virtual because a sampler's copy of the executor uses a stream of a session's copy.
struct Stream {
  virtual ~Stream() = default;
  virtual void enqueue(Work work) {
    if (recording)
      recording->push_back(std::move(work));
    else
      queue.push_back(std::move(work));
  }
  // Runs the queue until *done, or completely without it.
  void run(const bool* done = nullptr) {
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
    if (queue.empty() || (done && *done)) return;
    {
      const std::lock_guard guard(mutex);
      ++total.waits;
    }
    run_by_owner(*this, done);
  }
  void run_queue(const bool* done) {
    const OpenMemory open(device);
    while (!queue.empty() && !(done && *done)) {
      const Work work = std::move(queue.front());
      queue.pop_front();
      const std::lock_guard alone(running());
      work();
    }
  }
  // Runs the whole queue without counting a wait. What the work throws is thrown by the next run().
  virtual void finish() noexcept {
    try {
      run_by_owner(*this, nullptr);
    } catch (...) {
      error = std::current_exception();
    }
  }
  // The code of the copy that has made the stream, so that the memory that is opened is its own, also if another copy
  // waits. Not virtual, since the compiler knows of no other code than that of its own copy.
  void (*const run_by_owner)(Stream&, const bool* done) = [](Stream& own, const bool* done) { own.run_queue(done); };
  std::deque<Work> queue;
  std::exception_ptr error;
  std::unique_ptr<Graph> recording;
  const int device = current_device;                                      // the one selected when the stream was made
  const std::shared_ptr<Stream*> self = std::make_shared<Stream*>(this);  // for weak pointers to the stream
};

// The streams on which this thread has enqueued work.
class KnownStreams {
 public:
  ~KnownStreams() { ended_ = true; }

  static void add(const Stream& stream) {
    if (ended_) return;
    std::erase_if(own_.all_, [](const auto& one) { return one.expired(); });
    const auto is_it = [&](const auto& one) { return one.lock() == stream.self; };
    if (std::ranges::none_of(own_.all_, is_it)) own_.all_.push_back(stream.self);
  }
  static void finish_all() noexcept {
    if (ended_ || recording) return;
    for (const auto& one : own_.all_)
      if (const auto stream = one.lock()) (*stream)->finish();
  }

 private:
  std::vector<std::weak_ptr<Stream*>> all_;
  static thread_local KnownStreams own_;
  static thread_local bool ended_;  // the thread is ending and own_ has been destroyed
};
thread_local KnownStreams KnownStreams::own_;
thread_local bool KnownStreams::ended_ = false;

// True if the memory lies within one page-locked allocation.
bool is_pinned(const void* host, size_t bytes) {
  const std::lock_guard guard(mutex);
  const auto* begin = static_cast<const char*>(host);
  auto found = pinned.upper_bound(begin);
  if (found == pinned.begin()) return false;
  --found;
  return begin + bytes <= found->first + found->second;
}

// Throws Error unless the two are memory of the stream's device, or of the host where that is said. Without a stream
// anything goes.
enum class Of { device, host };
void check_copy(const char* what, const void* one, Of of_one, const void* other, Of of_other, size_t bytes,
                void* stream) {
  if (!stream || bytes == 0) return;
  const int device = static_cast<Stream*>(stream)->device;
  check_address(what, one, of_one == Of::host ? kHostMemory : device);
  check_address(what, other, of_other == Of::host ? kHostMemory : device);
}

void copy_to_host(const void* from, void* host, size_t bytes, void* stream) {
  check_copy("copying to the host", from, Of::device, host, Of::host, bytes, stream);
  {
    const std::lock_guard guard(mutex);
    total.downloaded += static_cast<int64_t>(bytes);
  }
  enqueue(stream, [=] { std::memcpy(host, from, bytes); });
}

}  // namespace

void check_device(const char* what, void* stream) {
  if (!stream) return;
  const int device = static_cast<Stream*>(stream)->device;
  if (device != current_device)
    fail(what, ": on a stream of device ", device, ", but this thread has selected device ", current_device);
}

void check_pointers(const char* what, const void* values, size_t bytes, void* stream) {
  if (stream) check_words(what, values, bytes, static_cast<Stream*>(stream)->device, stream);
}

bool is_recording() { return recording; }

void enqueue(void* stream, std::function<void()> work) {
  if (!stream) {
    const std::lock_guard alone(running());
    const OpenMemory open;
    return work();
  }
  KnownStreams::add(*static_cast<Stream*>(stream));
  // The stream opens the memory of its own copy of the executor, and this one that of the copy which enqueues. Each
  // also waits until other threads have shown what they have hidden of that copy's memory.
  static_cast<Stream*>(stream)->enqueue([work = std::move(work), device = static_cast<Stream*>(stream)->device] {
    const std::lock_guard alone(running());
    const OpenMemory open(device);
    work();
  });
}

void configure(const Settings& settings) {
  const std::lock_guard guard(mutex);
  current = settings;
}
Settings settings() {
  const std::lock_guard guard(mutex);
  return current;
}
Counts counts() {
  const std::lock_guard guard(mutex);
  return total;
}

void watch_ranges(std::vector<std::string>* names) {
  const std::lock_guard guard(mutex);
  watched = names;
}
void begin_range(const char* name, int64_t number) {
  const std::lock_guard guard(mutex);
  const std::string shown = number < 0 ? name : std::string(name) + " " + std::to_string(number);
  if (watched) watched->push_back(std::string(open_ranges, ' ') + shown);
  ++open_ranges;
}
void end_range() { --open_ranges; }

int blocks_at_once() { return settings().at_once; }
int most_blocks_of_cluster() { return settings().cluster; }
void arrive_cluster(Site site) { BlockRunner::current().arrive_cluster(site); }
void wait_cluster(Site site) { BlockRunner::current().wait_cluster(site); }
void open_inbox(void* inbox, int bytes, Site site) { BlockRunner::current().open_inbox(inbox, bytes, site); }
void send(float* own, void* inbox, int rank, float value, Site site) {
  BlockRunner::current().send(own, inbox, rank, value, site);
}
void wait_inbox(void* inbox, Site site) { BlockRunner::current().wait_inbox(inbox, site); }
const Thread& self() { return BlockRunner::current().self(); }
void note_update(const void* at) { BlockRunner::current().note_update(at); }
void fence() { Fences::fence(BlockRunner::current().own_fences()); }
void note_atomic(const void* at) { Fences::atomic(BlockRunner::current().own_fences(), at); }
void check_aligned(const void* at, size_t bytes, Site site) {
  const auto beside = reinterpret_cast<uintptr_t>(at) % bytes;
  if (beside == 0) return;
  BlockRunner::current().fail_here(site, "accesses a vector of " + std::to_string(bytes) + " bytes that begins " +
                                             std::to_string(beside) + " bytes behind a multiple of its size");
}
void sync_block(Site site) { BlockRunner::current().sync_block(site); }
void wait_for_previous_kernel(Site site) { BlockRunner::current().wait_for_previous_kernel(site); }
const void* exchange(uint32_t mask, const void* value, size_t bytes, int source, Site site) {
  return BlockRunner::current().exchange(mask, value, bytes, source, site);
}
void copy_async(void* to, const void* from, Site site) { BlockRunner::current().copy_async(to, from, site); }
void commit_copies() { BlockRunner::current().commit_copies(); }
void wait_copies(int left, Site site) { BlockRunner::current().wait_copies(left, site); }

void check_argument(const char* kernel, int number, const void* value, size_t bytes, void* stream) {
  if (stream)
    check_pointers(("kernel " + std::string(kernel) + ", argument " + std::to_string(number)).c_str(), value, bytes,
                   stream);
}

void launch(const Launch& launch, void* stream, std::function<void()> thread) {
  check(launch);
  check_device((std::string("kernel ") + launch.name).c_str(), stream);
  enqueue(stream, [launch, thread = std::move(thread)] { run_grid(launch, thread); });
}

}  // namespace gpt2run::executor

namespace gpt2run::cuda {

using executor::enqueue;
using executor::Stream;

constexpr std::align_val_t kAlignment{256};

Probe probe() { return {1, "the executor of the tests"}; }
void open_device(int device) { executor::current_device = device; }
void use_device(int device) { executor::current_device = device; }

void* allocate(size_t bytes) {
  executor::refuse_while_recording("taking memory");
  void* const memory = executor::take_memory(executor::current_device, bytes);
  executor::add_memory(memory, bytes);
  return memory;
}
// cudaFree waits for all streams of the device. This waits for those on which the calling thread has enqueued work.
void release(void* memory) noexcept {
  executor::KnownStreams::finish_all();
  executor::remove_memory(memory);
  executor::give_memory(memory);
}

void set_read_only(const void* memory) { executor::remove_memory(memory); }
std::string why_no_dependent_launch(int) { return ""; }

void* allocate_pinned(size_t bytes) {
  executor::refuse_while_recording("taking memory");
  void* memory = ::operator new(bytes, kAlignment);
  std::memset(memory, 0xFF, bytes);
  const std::lock_guard guard(executor::mutex);
  executor::pinned[static_cast<const char*>(memory)] = bytes;
  return memory;
}
void release_pinned(void* memory) noexcept {
  {
    const std::lock_guard guard(executor::mutex);
    executor::pinned.erase(static_cast<const char*>(memory));
  }
  executor::KnownStreams::finish_all();
  ::operator delete(memory, kAlignment);
}

void* make_event() { return new executor::Event{executor::current_device, nullptr, nullptr}; }
void release_event(void* event) noexcept { delete static_cast<executor::Event*>(event); }
void record_event(void* event, void* stream) {
  auto& own = *static_cast<executor::Event*>(event);
  if (stream && static_cast<Stream*>(stream)->device != own.device)
    fail("an event of device ", own.device, " cannot be recorded in a stream of device ",
         static_cast<Stream*>(stream)->device);
  own.stream = stream, own.passed = std::make_shared<bool>(false);
  enqueue(stream, [passed = own.passed] { *passed = true; });
}
void wait_event(void* event) {
  executor::refuse_while_recording("waiting");
  const auto& own = *static_cast<executor::Event*>(event);
  if (own.stream) static_cast<Stream*>(own.stream)->run(own.passed.get());
}

void* make_stream() {
  executor::refuse_while_recording("making a stream");
  return new Stream;
}
void release_stream(void* stream) noexcept { delete static_cast<Stream*>(stream); }
void wait(void* stream) {
  executor::refuse_while_recording("waiting");
  if (stream) static_cast<Stream*>(stream)->run();
}

void upload(void* to, const void* host, size_t bytes, void* stream) {
  executor::refuse_while_recording("copying from the host's memory");
  executor::check_copy("copying to the device", to, executor::Of::device, host, executor::Of::host, bytes, stream);
  enqueue(stream, [=] { std::memcpy(to, host, bytes); });
  wait(stream);
}
// The memory is read in stream order, so a caller that changes it too early uploads wrong values.
void upload_pinned(void* to, const void* pinned, size_t bytes, void* stream) {
  executor::check_copy("copying to the device", to, executor::Of::device, pinned, executor::Of::host, bytes, stream);
  enqueue(stream, [=] { std::memcpy(to, pinned, bytes); });
}
void download(const void* from, void* host, size_t bytes, void* stream) {
  executor::refuse_while_recording("waiting");
  executor::copy_to_host(from, host, bytes, stream);
  wait(stream);
}
void enqueue_upload(void* to, const void* host, size_t bytes, void* stream) {
  executor::refuse_while_recording("copying from the host's memory");
  executor::check_copy("copying to the device", to, executor::Of::device, host, executor::Of::host, bytes, stream);
  enqueue(stream, [=] { std::memcpy(to, host, bytes); });
}
void enqueue_download(const void* from, void* host, size_t bytes, void* stream) {
  executor::refuse_while_recording("copying to the host's memory");
  executor::copy_to_host(from, host, bytes, stream);
  if (!executor::is_pinned(host, bytes)) wait(stream);
}
void copy(void* to, const void* from, size_t bytes, void* stream) {
  executor::check_copy("copying on the device", to, executor::Of::device, from, executor::Of::device, bytes, stream);
  enqueue(stream, [=] { std::memcpy(to, from, bytes); });
}
void copy_rows(void* to, const void* from, size_t bytes, size_t stride, size_t rows, void* stream) {
  executor::check_copy("copying on the device", to, executor::Of::device, from, executor::Of::device, bytes, stream);
  enqueue(stream, [=] {
    for (size_t r = 0; r < rows; ++r)
      std::memcpy(static_cast<char*>(to) + r * stride, static_cast<const char*>(from) + r * stride, bytes);
  });
}
void fill_zero(void* to, size_t bytes, void* stream) {
  executor::check_copy("clearing memory", to, executor::Of::device, to, executor::Of::device, bytes, stream);
  enqueue(stream, [=] { std::memset(to, 0, bytes); });
}

void begin_capture(void* stream) {
  executor::refuse_while_recording("recording");
  static_cast<Stream*>(stream)->recording = std::make_unique<executor::Graph>();
  executor::recording = true;
}
void abandon_capture(void* stream) noexcept {
  executor::recording = false;
  static_cast<Stream*>(stream)->recording.reset();
}
void* end_capture(void* stream) {
  executor::recording = false;
  {
    const std::lock_guard guard(executor::mutex);
    ++executor::total.captures;
  }
  return static_cast<Stream*>(stream)->recording.release();
}
void replay(void* graph, void* stream) {
  enqueue(stream, [graph] {
    {
      const std::lock_guard guard(executor::mutex);
      ++executor::total.replays;
    }
    for (const executor::Work& work : *static_cast<executor::Graph*>(graph)) work();
  });
}
void release_graph(void* graph) noexcept {
  {
    const std::lock_guard guard(executor::mutex);
    ++executor::total.released;
  }
  delete static_cast<executor::Graph*>(graph);
}

}  // namespace gpt2run::cuda
