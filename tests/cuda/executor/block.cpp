#include "block.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#include "async_copies.hpp"
#include "gpt2run/error.hpp"

#if defined(GPT2RUN_EXECUTOR_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace gpt2run::executor {
namespace {

thread_local BlockRunner* current_runner = nullptr;

// ThreadSanitizer is told that starts, barriers, exchanges and ends of threads order them, but not that they take turns
// on one OS thread. The executor itself is compiled without the sanitizer, so that it sees only the kernels.
#if defined(GPT2RUN_EXECUTOR_TSAN)
void before(void* what) { __tsan_release(what); }
void after(void* what) { __tsan_acquire(what); }
template <class Write>
void unseen(Write write) {
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  write();
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}
#else
void before(void*) {}
void after(void*) {}
template <class Write>
void unseen(Write write) {
  write();
}
#endif

// The sanitizer's names of the beginning and the end of a launch.
void* beginning_of(const Launch& launch) { return const_cast<const char**>(&launch.name); }
void* end_of(const Launch& launch) { return const_cast<int*>(&launch.threads); }
// That of the moment when hidden memory is shown, for all blocks of the launch.
void* showing_of(const Launch& launch) { return const_cast<bool*>(&launch.dependent); }

constexpr int kWarp = 32;
constexpr size_t kMostBytes = 256;  // per lane in an exchange
constexpr std::byte kPoison{0xFF};  // NaN as a float, -1 as an integer
constexpr std::byte kCanary{0xA5};
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kCanaryBytes = 0;  // the sanitizer sees every access
#else
constexpr size_t kCanaryBytes = 4096;
#endif

uint64_t next(uint64_t& state) {  // splitmix64
  uint64_t z = state += 0x9E3779B97F4A7C15;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  return z ^ z >> 31;
}

}  // namespace

// An exchange of values between lanes. It is open until all lanes have arrived, and kept until the last one has left.
struct BlockRunner::Exchange {
  uint32_t mask, arrived;
  int holders;
  size_t bytes;
  Site site;
  void* sync_address;
  std::byte values[kWarp * kMostBytes];  // (32, bytes)

  bool complete() const { return arrived == mask; }
};

struct BlockRunner::Lane {
  Thread thread;
  Fiber fiber;
  State state = State::ready;
  Site site;
  Exchange* exchange = nullptr;
  AsyncCopies copies;
  bool has_waited = false;  // for the kernel in front
  Cluster::Own cluster;
  Fences::Own fences;

  int warp() const { return thread.thread / kWarp; }
  int lane() const { return thread.thread % kWarp; }
};

BlockRunner::BlockRunner()
    : thread_([this] {
        after(beginning_of(*launch_));
        after(&alive_);  // the runner's block before this one
        try {
          (*body_)();
        } catch (...) {
          error_ = std::current_exception();
        }
        before(&alive_);
        before(end_of(*launch_));
      }) {}
BlockRunner::~BlockRunner() = default;

BlockRunner& BlockRunner::current() {
  if (!current_runner) fail("a kernel's function was called outside of a kernel");
  return *current_runner;
}

const Thread& BlockRunner::self() const { return running_->thread; }
Fences::Own& BlockRunner::own_fences() { return running_->fences; }

void BlockRunner::begin(const Launch& launch) { before(beginning_of(launch)); }
void BlockRunner::end(const Launch& launch) { after(end_of(launch)); }

void BlockRunner::prepare(const Launch& launch, const int (&block)[3]) {
  launch_ = &launch;
  threads_ = alive_ = launch.threads;
  at_barrier_ = at_previous_ = at_cluster_ = at_inbox_ = 0;
  barrier_ = new_sync_address();
  error_ = nullptr;
  warps_.clear();
  warps_.resize((threads_ + kWarp - 1) / kWarp);
  // Memory is allocated here rather than in the fibers, whose accesses the sanitizer watches.
  for (Warp& warp : warps_) warp.exchanges.reserve(2 * kWarp);
  spare_.reserve(2 * kWarp * warps_.size());
  while (spare_.size() < 4 * warps_.size()) spare_.push_back(std::make_unique<Exchange>());
  if (!shared_ || shared_bytes_ != launch.shared) {
    shared_bytes_ = launch.shared;
    shared_.reset(new std::byte[shared_bytes_ + kCanaryBytes]);
  }
  steps_ = contended_ = 0;
  updates_.assign(shared_bytes_ / sizeof(uint32_t) + 1, 0);
  updated_ = false;
  inbox_.clear(shared_bytes_ / sizeof(float));
  std::fill_n(shared_.get(), shared_bytes_, kPoison);
  std::fill_n(shared_.get() + shared_bytes_, kCanaryBytes, kCanary);
  while (std::ssize(lanes_) < threads_) lanes_.push_back(std::make_unique<Lane>());
  for (int i = 0; i < threads_; ++i) {
    Lane& lane = *lanes_[i];
    lane.thread = {i, threads_, {block[0], block[1], block[2]}, {}, shared_.get()};
    std::copy_n(launch.blocks, 3, lane.thread.blocks);
    lane.state = State::ready;
    lane.exchange = nullptr, lane.site = Site(), lane.fences = {}, lane.cluster = {};
    lane.copies.clear();
    lane.has_waited = !launch.dependent;
    lane.fiber.start(&thread_);
    warps_[lane.warp()].running |= 1u << lane.lane();
  }
}

void BlockRunner::order_threads() {
  const Schedule schedule = settings_->schedule;
  if (schedule != Schedule::random && std::ssize(order_) == threads_ &&
      (order_[0] == 0) == (schedule == Schedule::ascending || threads_ == 1))
    return;
  order_.resize(threads_);
  std::iota(order_.begin(), order_.end(), 0);
  if (schedule == Schedule::descending) std::reverse(order_.begin(), order_.end());
  if (schedule != Schedule::random) return;
  for (int i = threads_ - 1; i > 0; --i) std::swap(order_[i], order_[next(random_) % (i + 1)]);
}

void BlockRunner::begin_block(const Launch& launch, const std::function<void()>& body, const int (&block)[3],
                              const Settings& settings, Cluster& cluster, bool hides) {
  unseen([&] { prepare(launch, block); });
  body_ = &body, settings_ = &settings, cluster_ = &cluster;
  cluster.add(*this, threads_);
  random_ = settings.seed * 1000003 + block[0] + 1009 * block[1] + 9973 * block[2];
  if (launch.dependent && hides) hidden_.hide();
}

bool BlockRunner::advance() {
  current_runner = this, moved_ = false;
  struct Reset {
    ~Reset() { current_runner = nullptr; }
  } reset;
  while (alive_ > 0) {
    order_threads();
    if (sweep() || wake_from_cluster()) continue;
    if (at_previous_ == threads_) {
      release_previous();
    } else if (at_barrier_ == threads_) {
      release_barrier();
    } else if (at_cluster_ + at_inbox_ > 0) {
      return false;
    } else {
      fail_stuck();
    }
  }
  end_step();
  check_shared(*launch_);
  return true;
}

// Resumes every thread that is ready. Returns false if none was.
bool BlockRunner::sweep() {
  bool any = false;
  for (const int i : order_) {
    Lane& lane = *lanes_[i];
    if (lane.state != State::ready) continue;
    any = moved_ = true;
    running_ = &lane;
    const bool done = lane.fiber.resume();
    running_ = nullptr;
    if (error_) std::rethrow_exception(error_);
    if (done) finish(lane);
  }
  return any;
}

// Lets those continue that wait at a barrier of the cluster which all threads have reached meanwhile, or for what other
// blocks have sent meanwhile. Returns false if there is none.
bool BlockRunner::wake_from_cluster() {
  const int before = at_cluster_ + at_inbox_;
  if (before == 0) return false;
  for (int i = 0; i < threads_; ++i) {
    Lane& lane = *lanes_[i];
    if (lane.state == State::cluster && cluster_->is_passed(lane.cluster)) lane.state = State::ready, --at_cluster_;
    if (lane.state == State::inbox && inbox_.is_complete()) lane.state = State::ready, --at_inbox_;
  }
  if (at_cluster_ + at_inbox_ == before) return false;
  end_step();
  return true;
}

void BlockRunner::finish(Lane& lane) {
  lane.state = State::done;
  --alive_;
  if (const char* fault = alive_ == 0 ? inbox_.end() : nullptr) fail_at(lane, Site(), fault);
  if (const char* fault = cluster_->end(lane.cluster)) fail_at(lane, lane.site, fault);
  if (lane.exchange) drop(lane);
  if (!lane.has_waited) fail_at(lane, Site(), "ended without waiting for the kernel in front");
  if (lane.copies.in_flight()) fail_at(lane, Site(), "ended while a copy was in flight");
  Warp& warp = warps_[lane.warp()];
  warp.running &= ~(1u << lane.lane());
  for (const auto& exchange : warp.exchanges) {
    if (!exchange->complete() && (exchange->mask >> lane.lane() & 1))
      fail_at(lane, lane.site, "ended, but a mask at line " + std::to_string(exchange->site.line) + " names it");
  }
}

void BlockRunner::release_barrier() {
  for (int i = 0; i < threads_; ++i) {
    const Site &own = lanes_[i]->site, &first = lanes_[0]->site;
    if (own.line != first.line || std::strcmp(own.file, first.file) != 0)
      fail_at(*lanes_[i], own, "waits at another barrier than " + place(*lanes_[0], first));
  }
  for (int i = 0; i < threads_; ++i) lanes_[i]->state = State::ready;
  at_barrier_ = 0;
  barrier_ = new_sync_address();
  end_step();
}

void BlockRunner::end_step() {
  ++steps_;
  if (!std::exchange(updated_, false)) return;
  contended_ += *std::max_element(updates_.begin(), updates_.end());
  std::fill(updates_.begin(), updates_.end(), 0);
}

void BlockRunner::note_update(const void* at) {
  const auto offset = reinterpret_cast<uintptr_t>(at) - reinterpret_cast<uintptr_t>(shared_.get());
  if (offset >= shared_bytes_) return;
  ++updates_[offset / sizeof(uint32_t)];
  updated_ = true;
}

void BlockRunner::release_previous() {
  if (!hidden_.show())
    fail_at(*lanes_[0], lanes_[0]->site, "or another one wrote device memory before it waited for the kernel in front");
  before(showing_of(*launch_));
  for (int i = 0; i < threads_; ++i) lanes_[i]->state = State::ready;
  at_previous_ = 0;
}

void BlockRunner::check_shared(const Launch& launch) const {
  for (size_t i = 0; i < kCanaryBytes; ++i) {
    if (shared_[shared_bytes_ + i] == kCanary) continue;
    const Thread& any = lanes_[0]->thread;
    fail("kernel ", launch.name, ", block ", any.block[0], ",", any.block[1], ",", any.block[2],
         ": wrote behind its shared memory of ", shared_bytes_, " bytes");
  }
}

void BlockRunner::pause(State state, Site site) {
  running_->state = state;
  running_->site = site;
  Fiber::yield();
}

// Returns a new address for each barrier and exchange. If they all had the same address, a thread that leaves one
// barrier would appear to have seen what others did before the next one.
void* BlockRunner::new_sync_address() { return &sync_addresses_[next_sync_address_++ % sync_addresses_.size()]; }

void BlockRunner::sync_block(Site site) {
  void* const address = barrier_;
  ++at_barrier_;
  before(address);
  pause(State::barrier, site);
  after(address);
}

// Orders nothing between the threads of a block; the sanitizer is told only that hidden memory has been restored.
void BlockRunner::wait_for_previous_kernel(Site site) {
  if (running_->has_waited) return;
  running_->has_waited = true;
  ++at_previous_;
  pause(State::previous, site);
  after(showing_of(*launch_));
}

void BlockRunner::refuse_mask(const Lane& lane, uint32_t mask, int source) const {
  if (!(mask >> lane.lane() & 1)) fail_at(lane, lane.site, "uses a mask that does not name it");
  if (source < 0 || source >= kWarp || !(mask >> source & 1))
    fail_at(lane, lane.site, "reads lane " + std::to_string(source) + ", which its mask does not name");
  const Warp& warp = warps_[lane.warp()];
  if (const uint32_t gone = mask & ~warp.running)
    fail_at(lane, lane.site, "names lane " + std::to_string(std::countr_zero(gone)) + ", which is not running");
  for (const auto& exchange : warp.exchanges) {
    if (!exchange->complete() && (exchange->mask & mask) && exchange->mask != mask)
      fail_at(lane, lane.site, "comes with another mask than line " + std::to_string(exchange->site.line));
  }
}

BlockRunner::Exchange& BlockRunner::open_exchange(Lane& lane, uint32_t mask, size_t bytes) {
  auto& exchanges = warps_[lane.warp()].exchanges;
  for (const auto& exchange : exchanges) {
    if (exchange->complete() || exchange->mask != mask) continue;
    if (exchange->bytes != bytes || exchange->site.line != lane.site.line)
      fail_at(lane, lane.site, "meets others that are at line " + std::to_string(exchange->site.line));
    return *exchange;
  }
  if (spare_.empty()) spare_.push_back(std::make_unique<Exchange>());
  exchanges.push_back(std::move(spare_.back()));
  spare_.pop_back();
  Exchange& exchange = *exchanges.back();
  exchange.mask = mask, exchange.arrived = 0, exchange.bytes = bytes;
  exchange.holders = std::popcount(mask), exchange.site = lane.site, exchange.sync_address = new_sync_address();
  return exchange;
}

void BlockRunner::drop(Lane& lane) {
  Exchange* left = std::exchange(lane.exchange, nullptr);
  if (--left->holders > 0) return;
  auto& exchanges = warps_[lane.warp()].exchanges;
  const auto found = std::find_if(exchanges.begin(), exchanges.end(), [&](const auto& m) { return m.get() == left; });
  spare_.push_back(std::move(*found));
  exchanges.erase(found);
}

const void* BlockRunner::exchange(uint32_t mask, const void* value, size_t bytes, int source, Site site) {
  Lane& lane = *running_;
  lane.site = site;
  if (lane.exchange) drop(lane);
  refuse_mask(lane, mask, source);
  if (bytes > kMostBytes) fail_at(lane, site, "exchanges more than " + std::to_string(kMostBytes) + " bytes");
  Exchange& exchange = open_exchange(lane, mask, bytes);
  lane.exchange = &exchange;
  unseen([&] { std::memcpy(&exchange.values[lane.lane() * bytes], value, bytes); });
  exchange.arrived |= 1u << lane.lane();
  before(exchange.sync_address);
  if (!exchange.complete()) {
    pause(State::exchange, site);
  } else {
    for (int other = 0; other < kWarp; ++other) {
      if (mask >> other & 1) lanes_[lane.warp() * kWarp + other]->state = State::ready;
    }
  }
  after(exchange.sync_address);
  return exchange.values;
}

void BlockRunner::copy_async(void* to, const void* from, Site site) {
  const auto* begin = static_cast<const std::byte*>(to);
  if (begin < shared_.get() || begin + AsyncCopies::kBytes > shared_.get() + shared_bytes_)
    fail_at(*running_, site, "starts a copy to memory that is not the block's shared memory");
  if (const char* fault = running_->copies.start(to, from)) fail_at(*running_, site, fault);
}

void BlockRunner::commit_copies() { running_->copies.commit(); }

void BlockRunner::wait_copies(int left, Site site) {
  if (const char* fault = running_->copies.wait(left)) fail_at(*running_, site, fault);
}

void BlockRunner::arrive_cluster(Site site) {
  running_->site = site;
  if (const char* fault = cluster_->arrive(running_->cluster)) fail_at(*running_, site, fault);
}

void BlockRunner::wait_cluster(Site site) {
  Lane& lane = *running_;
  if (!lane.cluster.has_arrived) fail_at(lane, site, "waits at a barrier of the cluster at which it has not arrived");
  if (!cluster_->is_passed(lane.cluster)) {
    ++at_cluster_;
    pause(State::cluster, site);
  }
  lane.cluster.has_arrived = false, ++lane.cluster.passed;
}

// Where it is in the block's shared memory.
size_t BlockRunner::shared_offset(const void* at, size_t bytes, Site site) const {
  const auto offset = reinterpret_cast<uintptr_t>(at) - reinterpret_cast<uintptr_t>(shared_.get());
  if (offset >= shared_bytes_ || bytes > shared_bytes_ - offset)
    fail_at(*running_, site, "names a place for the cluster that is not in its own shared memory");
  return offset;
}

void BlockRunner::open_inbox(const void* inbox, int bytes, Site site) {
  shared_offset(inbox, sizeof(uint64_t), site);
  if (running_->cluster.has_arrived || running_->cluster.passed > 0)
    fail_at(*running_, site, "opens an inbox after it has arrived at a barrier of the cluster, when others may send");
  if (const char* fault = inbox_.open(inbox, bytes, new_sync_address())) fail_at(*running_, site, fault);
}

void BlockRunner::send(const float* own, const void* inbox, int rank, float value, Site site) {
  const size_t to = shared_offset(own, sizeof value, site), counter = shared_offset(inbox, sizeof(uint64_t), site);
  BlockRunner* const other = cluster_->block(rank);
  const auto refuse = [&](const char* why) {
    fail_at(*running_, site, "sends to block " + std::to_string(rank) + " of its cluster, which " + why);
  };
  if (!other) refuse("has no such block");
  if (running_->cluster.passed == 0) refuse("may not have begun: no barrier of the cluster before");
  if (other->alive_ == 0) refuse("has ended");
  std::byte* const shared = other->shared_.get();
  if (const char* fault = other->inbox_.check(shared + counter)) fail_at(*running_, site, fault);
  if (const char* fault = other->inbox_.put(shared + to, value)) fail_at(*running_, site, fault);
  before(other->inbox_.sync_address());
}

void BlockRunner::wait_inbox(const void* inbox, Site site) {
  if (const char* fault = inbox_.check(inbox)) fail_at(*running_, site, fault);
  if (!inbox_.is_complete()) {
    ++at_inbox_;
    pause(State::inbox, site);
  }
  inbox_.deliver();
  after(inbox_.sync_address());
}

std::string BlockRunner::place(const Lane& lane, Site site) const {
  const std::string file = site.file;
  std::string text = "thread " + std::to_string(lane.thread.thread);
  if (site.line > 0) text += " at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(site.line);
  return text;
}

void BlockRunner::fail_at(const Lane& lane, Site site, const std::string& what) const {
  const int(&b)[3] = lane.thread.block;
  fail("kernel ", launch_->name, ", block ", b[0], ",", b[1], ",", b[2], ": ", place(lane, site), " ", what);
}

void BlockRunner::fail_here(Site site, const std::string& what) const { fail_at(*running_, site, what); }

void BlockRunner::fail_stuck() const {
  const Lane* waiting = nullptr;
  std::string others;
  const char* names[] = {"ready",
                         "at a barrier",
                         "in a warp's exchange",
                         "for the kernel in front",
                         "at a barrier of the cluster",
                         "for what is sent to its block",
                         "ended"};
  bool named[7] = {};
  for (int i = 0; i < threads_; ++i) {
    const Lane& lane = *lanes_[i];
    const int state = static_cast<int>(lane.state);
    if (std::exchange(named[state], true)) continue;
    if (!waiting && lane.state != State::done)
      waiting = &lane;
    else
      others += (others.empty() ? "" : ", ") + place(lane, lane.state == State::done ? Site() : lane.site) + " is " +
                names[state];
  }
  fail_at(*waiting, waiting->site,
          std::string("waits ") + names[static_cast<int>(waiting->state)] + " for ever: " + others);
}

}  // namespace gpt2run::executor
