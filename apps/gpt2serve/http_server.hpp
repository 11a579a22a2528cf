// HttpServer: HTTP/1.1 over TCP. It reads requests, hands each to a handler, and sends what the handler answers, whole
// or as a stream. It knows nothing of models. Its implementation is the only file that uses Boost.Beast and Boost.Asio.
//
// A connection serves one request after another. Every wait for a client ends after a time, and what waits to be sent
// is bounded, so that a client that is slow or gone holds up nobody. A stream may have 256 KiB that wait. All answers
// together may have 64 MiB; where that is not enough, the connection whose client has not read for the longest is
// closed.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "gpt2serve/bound_socket.hpp"
#include "gpt2serve/reply.hpp"

namespace gpt2run {

struct HttpOptions {
  size_t most_connections = 1024;
  size_t most_body = size_t{1} << 20;           // bytes
  std::chrono::milliseconds timeout{30000};     // for each part of a request, and for each write
  std::chrono::milliseconds keep_alive{60000};  // between two requests
};

struct HttpRequest {
  std::string method, target;  // target: the path, without a query
  std::string body;
  // Header fields, empty where they are missing.
  std::string host, origin, authorization, content_type, requested_method;
  std::string client;  // the client's address
};

class HttpServer {
 public:
  // Called on a thread of the server, for several connections at a time. What it throws closes the connection.
  using Handler = std::function<void(HttpRequest request, std::shared_ptr<Reply> reply)>;
  // Makes the body of an answer for a request that is refused before the handler sees it. status: 400, 413 or 431.
  // client: its address. On a thread of the server, for several connections at a time.
  using Refusal = std::function<std::string(int status, const std::string& why, const std::string& client)>;

  struct State;  // of the implementation

  // Listens at once on the address that the socket is bound to, which it takes over. Throws Error if another process
  // has begun to listen there since.
  HttpServer(BoundSocket& socket, const HttpOptions& options, Handler handler, Refusal refusal);
  ~HttpServer();  // as stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string address() const;  // such as "127.0.0.1:8080" and "[::1]:8080"
  bool is_loopback() const;
  size_t connections() const;  // open ones
  size_t busy() const;         // of these, those that do not wait for a request

  // From now on every answer closes its connection, and connections that wait for another request are closed.
  void drain();
  // Closes all connections and ends the threads. No handler runs afterwards; replies that are left are ignored.
  void stop();

 private:
  // Whatever another constructor throws after it, the destructor ends the threads.
  explicit HttpServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;  // also owned by the connections, which replies may keep
};

}  // namespace gpt2run
