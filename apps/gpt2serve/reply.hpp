// Reply: the way to answer one request over HTTP.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "gpt2serve/answer_head.hpp"

namespace gpt2run {

// By send(), or by begin(), write() and end(). Any thread, one at a time. After the client has gone all calls are
// ignored. A reply that is dropped without an answer closes the connection.
class Reply {
 public:
  virtual ~Reply() = default;
  virtual void send(int status, std::string_view content_type, std::string body, const HttpHeaders& headers) = 0;
  virtual void begin(std::string_view content_type, const HttpHeaders& headers) = 0;
  virtual void write(std::string text) = 0;
  virtual void end() = 0;
  // Sets what is called, once and on a thread of the server, when the client goes, or is too slow to read, before the
  // answer is complete. It is called at once if the client has gone already. It is dropped when the answer is complete.
  virtual void on_gone(std::function<void()> gone) = 0;
};

}  // namespace gpt2run
