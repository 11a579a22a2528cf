// The connections of HttpServer. Each runs on a strand, so that its functions never run at the same time; replies reach
// it by posting to the strand.
#include "gpt2serve/http_server.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "gpt2run/error.hpp"
#include "gpt2serve/answer.hpp"
#include "gpt2serve/request_head.hpp"

namespace gpt2run {
namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;
using Tcp = net::ip::tcp;
using Failure = boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kMostHeader = 16384;                           // bytes of all header fields
constexpr size_t kMostUnsent = size_t{64} << 20;                  // bytes of all answers that wait for their clients
constexpr size_t kMostAhead = size_t{64} << 10;                   // bytes that are read while an answer is made
constexpr size_t kRead = 8192, kMostBuffer = kMostAhead + kRead;  // the latter of a chunk's header and of a trailer
constexpr int kSendBuffer = 128 << 10;                            // bytes of a connection that the system keeps
constexpr size_t kMostOfWrite = size_t{64} << 10;                 // bytes that are handed to the system at a time
constexpr std::chrono::seconds kLinger{2};  // for a client to read an answer before its connection is closed
constexpr std::chrono::milliseconds kPause{20}, kLongestPause{320};  // while no connection can be accepted
constexpr int kThreads = 2;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

class Connection;

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<State> {
  State(const HttpOptions& given, Handler on_request, Refusal on_refusal)
      : options(given),
        handler(std::move(on_request)),
        refusal(std::move(on_refusal)),
        acceptor(net::make_strand(context)),
        retry(acceptor.get_executor()) {}

  void run();
  void accept();
  void close_all();
  bool make_room();
  void close_oldest_idle();
  void close_stalled(const Connection& newest);
  std::vector<std::shared_ptr<Connection>> connections();

  HttpOptions options;
  Handler handler;
  Refusal refusal;
  std::atomic<bool> draining = false, stopped = false;
  std::mutex mutex;                                       // of open
  std::map<Connection*, std::weak_ptr<Connection>> open;  // outlives the context, whose handlers own connections
  net::io_context context;
  std::atomic<size_t> unsent = 0;  // bytes of answers that wait for their clients, of all connections
  Tcp::acceptor acceptor;
  net::steady_timer retry;
  std::chrono::milliseconds pause = kPause;  // before the next try to accept
  std::vector<std::thread> threads;
};

namespace {

int64_t now() { return Clock::now().time_since_epoch().count(); }

class Connection final : public AnswerTarget, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Tcp::socket socket, std::shared_ptr<HttpServer::State> state)
      : state_(std::move(state)), socket_(std::move(socket)), deadline_(socket_.get_executor()) {
    Failure ignored;
    socket_.set_option(Tcp::no_delay(true), ignored);
    socket_.set_option(Tcp::socket::send_buffer_size(kSendBuffer), ignored);  // the system would let it grow
    const Tcp::endpoint client = socket_.remote_endpoint(ignored);
    if (!ignored) client_ = client.address().to_string();
  }
  ~Connection() override {
    set_unsent(0);
    const std::lock_guard lock(state_->mutex);
    state_->open.erase(this);
  }

  auto strand() { return socket_.get_executor(); }
  int64_t idle_since() const { return idle_since_; }
  int64_t stalled_since() const { return stalled_since_; }
  size_t unsent() const { return unsent_; }
  void run() {
    net::dispatch(strand(), [self = shared_from_this()] { self->next(); });
  }
  // unless_new: leaves a connection open whose first request is still to come.
  void close_if_idle(bool unless_new) {
    net::post(strand(), [self = shared_from_this(), unless_new] {
      if (self->idle_since_ != kNever && (self->has_served_ || !unless_new)) self->close();
    });
  }
  void close_now() {
    net::post(strand(), [self = shared_from_this()] { self->close(); });
  }

  bool is_draining() const override { return state_->draining; }
  void push(const std::shared_ptr<ReplyProgress>& progress, std::string bytes, bool is_last, bool keep) override {
    post([progress, bytes = std::move(bytes), is_last, keep](Connection& self) mutable {
      self.take(progress, std::move(bytes), is_last, keep);
    });
  }
  void abandon(const std::shared_ptr<ReplyProgress>& progress) override {
    post([progress](Connection& self) {
      if (progress == self.progress_) self.close();
    });
  }

 private:
  void next();
  void read_header();
  void read_body();
  void handle();
  void watch();
  void linger();
  void take(const std::shared_ptr<ReplyProgress>& progress, std::string bytes, bool is_last, bool keep);
  void send_queued();
  void set_unsent(size_t bytes);
  void finish_answer();
  void refuse(const Failure& why);
  void refuse(int status, const std::string& why);
  void close();

  template <class Work>
  void post(Work work) {
    if (state_->stopped) return;
    net::post(strand(), [self = shared_from_this(), work = std::move(work)]() mutable { work(*self); });
  }

  // Closes the connection unless arm() or disarm() is called again in time.
  void arm(std::chrono::milliseconds time) {
    deadline_.expires_after(time);
    deadline_.async_wait([self = shared_from_this()](const Failure& failed) {
      if (!failed && self->deadline_.expiry() <= Clock::now()) self->close();
    });
  }
  void disarm() { deadline_.expires_at(Clock::time_point::max()); }

  const std::shared_ptr<HttpServer::State> state_;
  Tcp::socket socket_;
  net::steady_timer deadline_;
  boost::beast::flat_buffer buffer_{kMostBuffer};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::request_header<> header_;            // without the fields of a trailer, which mean nothing here
  std::shared_ptr<ReplyProgress> progress_;  // of the request that is being answered
  std::string client_, queued_, sending_;
  // Times of the steady clock, or kNever: since when no request is there, and since when the client has read nothing of
  // an answer that waits for it.
  std::atomic<int64_t> idle_since_ = now(), stalled_since_ = kNever;
  std::atomic<size_t> unsent_ = 0;  // bytes of the answer that wait for the client
  size_t lingered_ = 0;
  bool is_watching_ = false, is_answered_ = false, is_last_queued_ = false, keep_ = true, is_lingering_ = false;
  bool is_closed_ = false, has_served_ = false;
};

std::string_view view_of(const boost::beast::string_view& text) { return {text.data(), text.size()}; }

// Waits for the next request.
void Connection::next() {
  is_answered_ = is_last_queued_ = false;
  parser_.emplace();
  parser_->header_limit(kMostHeader);
  parser_->body_limit(state_->options.most_body);
  if (buffer_.size() > 0) return read_header();
  if (has_served_ && is_draining()) return close();
  idle_since_ = now();
  arm(state_->options.keep_alive);
  socket_.async_read_some(buffer_.prepare(kRead),
                          [self = shared_from_this(), this](const Failure& failed, size_t size) {
                            if (failed || is_closed_) return close();
                            buffer_.commit(size);
                            idle_since_ = kNever;
                            read_header();
                          });
}

void Connection::read_header() {
  arm(state_->options.timeout);
  http::async_read_header(socket_, buffer_, *parser_, [self = shared_from_this(), this](const Failure& failed, size_t) {
    if (is_closed_) return;
    if (failed) return refuse(failed);
    header_ = parser_->get().base();
    const RequestHead head{header_.version(),
                           view_of(header_.target()),
                           view_of(header_[http::field::transfer_encoding]),
                           view_of(header_[http::field::expect]),
                           header_.count(http::field::host),
                           header_.count(http::field::transfer_encoding)};
    if (const std::string fault = fault_of(head); !fault.empty()) return refuse(400, fault);
    if (!asks_to_continue(head)) return read_body();
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    net::async_write(socket_, net::buffer(kContinue),
                     [self, this](const Failure& lost, size_t) { lost || is_closed_ ? close() : read_body(); });
  });
}

void Connection::read_body() {
  arm(state_->options.timeout);
  http::async_read(socket_, buffer_, *parser_, [self = shared_from_this(), this](const Failure& failed, size_t) {
    if (is_closed_) return;
    failed ? refuse(failed) : handle();
  });
}

// Hands the request to the handler.
void Connection::handle() {
  disarm();
  has_served_ = true;
  http::request<http::string_body> message = parser_->release();
  message.base() = std::move(header_);
  const auto field = [&](http::field name) { return std::string(view_of(message[name])); };
  const std::string_view target = view_of(message.target());
  HttpRequest request{std::string(view_of(message.method_string())),
                      std::string(target.substr(0, target.find('?'))),
                      std::move(message.body()),
                      field(http::field::host),
                      field(http::field::origin),
                      field(http::field::authorization),
                      field(http::field::content_type),
                      field(http::field::access_control_request_method),
                      client_};
  progress_ = std::make_shared<ReplyProgress>();
  auto reply = make_reply(shared_from_this(), progress_,
                          {message.keep_alive(), message.version() >= 11, request.method == "HEAD"});
  watch();
  try {
    state_->handler(std::move(request), std::move(reply));
  } catch (const std::exception&) {
    close();
  }
}

// Reads while an answer is made, which shows that the client is gone, and keeps what a client sends ahead.
void Connection::watch() {
  if (is_watching_ || buffer_.size() >= kMostAhead) return;
  is_watching_ = true;
  socket_.async_read_some(buffer_.prepare(kRead),
                          [self = shared_from_this(), this](const Failure& failed, size_t size) {
                            is_watching_ = false;
                            if (is_closed_) return;
                            if (!failed) buffer_.commit(size);
                            if (is_lingering_) return failed ? close() : linger();
                            if (is_answered_) return next();
                            failed ? close() : watch();
                          });
}

// Reads and drops what the client still sends, since closing the socket before would also drop the answer.
void Connection::linger() {
  lingered_ += buffer_.size();
  buffer_.clear();
  if (lingered_ > state_->options.most_body) return close();
  watch();
}

// Sends bytes of the answer that `progress` belongs to.
void Connection::take(const std::shared_ptr<ReplyProgress>& progress, std::string bytes, bool is_last, bool keep) try {
  if (progress != progress_ || is_closed_) return;
  queued_.empty() ? queued_ = std::move(bytes) : queued_ += bytes;
  is_last_queued_ |= is_last, keep_ = keep;
  set_unsent(sending_.size() + queued_.size());
  if (state_->unsent > kMostUnsent) state_->close_stalled(*this);
  if (sending_.empty()) send_queued();
} catch (const std::bad_alloc&) {  // the answer is lost, and nothing else would end the connection
  close();
}

void Connection::send_queued() {
  if (queued_.empty()) {
    disarm();
    stalled_since_ = kNever;
    if (is_last_queued_) finish_answer();
    return;
  }
  sending_ = std::exchange(queued_, {});
  stalled_since_ = now();
  arm(state_->options.timeout);
  // The condition is called after each part that was sent.
  const auto go_on = [self = shared_from_this()](const Failure& failed, size_t sent) {
    if (sent > 0) self->stalled_since_ = now();
    return failed ? size_t{0} : kMostOfWrite;
  };
  net::async_write(socket_, net::buffer(sending_), go_on,
                   [self = shared_from_this(), this](const Failure& failed, size_t) {
                     const size_t sent = std::exchange(sending_, {}).size();
                     if (is_closed_) return;
                     if (failed) return close();
                     progress_->pending -= sent;
                     set_unsent(queued_.size());
                     send_queued();
                   });
}

void Connection::set_unsent(size_t bytes) {
  state_->unsent += bytes;
  state_->unsent -= unsent_.exchange(bytes);
}

void Connection::finish_answer() {
  progress_->complete();
  progress_.reset();
  is_answered_ = true;
  Failure ignored;
  if (!keep_) {
    socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    is_lingering_ = true;
    arm(kLinger);
    return linger();
  }
  if (is_watching_)
    socket_.cancel(ignored);  // the handler of the read goes on
  else
    next();
}

// Answers a request that cannot be read.
void Connection::refuse(const Failure& why) {
  if (why.category() != http::make_error_code(http::error::end_of_stream).category() ||
      why == http::error::end_of_stream || why == http::error::partial_message)
    return close();
  const auto too_large = [this](int status, const char* part, size_t most) {
    refuse(status, std::string(part) + ": expected at most " + std::to_string(most) + " bytes, found more");
  };
  if (why == http::error::body_limit) return too_large(413, "the body", state_->options.most_body);
  if (why == http::error::header_limit) return too_large(431, "the header", kMostHeader);
  if (why == http::error::buffer_overflow) return too_large(431, "a chunk's header or the trailer", kMostBuffer);
  refuse(400, "expected an HTTP request, found another message: " + why.message());
}

void Connection::refuse(int status, const std::string& why) {
  const bool is_head = parser_->get().method() == http::verb::head;
  progress_ = std::make_shared<ReplyProgress>();
  make_reply(shared_from_this(), progress_, {false, true, is_head})
      ->send(status, "application/json", state_->refusal(status, why, client_), {});
}

void Connection::close() {
  if (is_closed_) return;
  is_closed_ = true, stalled_since_ = kNever;
  set_unsent(0);
  queued_ = {};  // whoever makes the answer may still hold this object
  deadline_.cancel();
  Failure ignored;
  socket_.shutdown(Tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  if (const std::shared_ptr<ReplyProgress> progress = std::move(progress_)) progress->go();
}

}  // namespace

void HttpServer::State::close_oldest_idle() {
  const std::vector<std::shared_ptr<Connection>> all = connections();
  const auto oldest = std::ranges::min_element(all, {}, [](const auto& one) { return one->idle_since(); });
  if (oldest != all.end()) (*oldest)->close_if_idle(false);
}

// An answer has come for `newest`. Closes connections whose clients do not read, the one that has not read for the
// longest first, until what waits for all but the newest is little enough.
void HttpServer::State::close_stalled(const Connection& newest) {
  std::vector<std::pair<int64_t, std::shared_ptr<Connection>>> stalled;  // the times change meanwhile
  for (const std::shared_ptr<Connection>& one : connections())
    if (const int64_t since = one->stalled_since(); one.get() != &newest && since != kNever)
      stalled.emplace_back(since, one);
  std::ranges::sort(stalled);
  size_t left = unsent - std::min<size_t>(unsent, newest.unsent());
  for (const auto& [since, one] : stalled) {
    if (left <= kMostUnsent) return;
    left -= std::min(left, one->unsent());
    one->close_now();
  }
}

// True if one more connection may be opened. Otherwise the connection that has been idle for the longest is closed.
bool HttpServer::State::make_room() {
  std::unique_lock lock(mutex);
  if (open.size() < options.most_connections) return true;
  lock.unlock();
  close_oldest_idle();
  return false;
}

void HttpServer::State::accept() {
  const auto later = [this] {
    retry.expires_after(pause);
    pause = std::min(2 * pause, kLongestPause);
    retry.async_wait([this](const Failure& failed) {
      if (!failed && acceptor.is_open()) accept();
    });
  };
  if (!make_room()) return later();
  acceptor.async_accept(net::make_strand(context), [this, later](const Failure& failed, Tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (failed) {
      if (failed == net::error::no_descriptors) close_oldest_idle();
      return later();
    }
    pause = kPause;
    const auto connection = std::make_shared<Connection>(std::move(socket), shared_from_this());
    {
      const std::lock_guard lock(mutex);
      open.emplace(connection.get(), connection);
    }
    connection->run();
    accept();
  });
}

// A handler that runs out of memory ends no thread; the timer of its connection closes it.
void HttpServer::State::run() {
  while (true) try {
      context.run();
      return;
    } catch (const std::exception&) {
      continue;
    }
}

// On the strand of the acceptor, so that no connection is opened meanwhile.
void HttpServer::State::close_all() {
  Failure ignored;
  acceptor.close(ignored);
  retry.cancel();
  for (const std::shared_ptr<Connection>& one : connections()) one->close_now();
}

// The open connections. The result is released without the lock, which a connection takes when it is destroyed.
std::vector<std::shared_ptr<Connection>> HttpServer::State::connections() {
  std::vector<std::shared_ptr<Connection>> all;
  const std::lock_guard lock(mutex);
  for (const auto& [address, weak] : open)
    if (auto one = weak.lock()) all.push_back(std::move(one));
  return all;
}

HttpServer::HttpServer(BoundSocket& socket, const HttpOptions& options, Handler handler, Refusal refusal)
    : HttpServer(std::make_shared<State>(options, std::move(handler), std::move(refusal))) {
  Failure failed;
  state_->acceptor.assign(socket.is_v6() ? Tcp::v6() : Tcp::v4(), socket.descriptor(), failed);
  if (!failed) socket.release(), state_->acceptor.listen(net::socket_base::max_listen_connections, failed);
  if (failed) fail("cannot listen", state_->acceptor.is_open() ? " on " + address() : "", ": ", failed.message());
  net::post(state_->acceptor.get_executor(), [state = state_.get()] { state->accept(); });
  for (int i = 0; i < kThreads; ++i) state_->threads.emplace_back([state = state_.get()] { state->run(); });
}

HttpServer::~HttpServer() { stop(); }

std::string HttpServer::address() const {
  const Tcp::endpoint end = state_->acceptor.local_endpoint();
  const std::string host = end.address().to_string(), port = ":" + std::to_string(end.port());
  return (end.address().is_v6() ? "[" + host + "]" : host) + port;
}

bool HttpServer::is_loopback() const { return state_->acceptor.local_endpoint().address().is_loopback(); }

size_t HttpServer::connections() const {
  const std::lock_guard lock(state_->mutex);
  return state_->open.size();
}

size_t HttpServer::busy() const {
  const auto all = state_->connections();
  return static_cast<size_t>(std::ranges::count(all, kNever, [](const auto& one) { return one->idle_since(); }));
}

void HttpServer::drain() {
  state_->draining = true;
  for (const std::shared_ptr<Connection>& one : state_->connections()) one->close_if_idle(true);
}

void HttpServer::stop() {
  if (state_->threads.empty()) return;
  state_->stopped = true;
  net::post(state_->acceptor.get_executor(), [state = state_.get()] { state->close_all(); });
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

}  // namespace gpt2run
