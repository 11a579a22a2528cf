// The reply that a handler gets: it turns an answer into the bytes that a connection sends.
#pragma once
#include <memory>
#include <string>

#include "gpt2serve/reply.hpp"
#include "gpt2serve/reply_progress.hpp"

namespace gpt2run {

// Sends the bytes of answers. Any thread; after the client has gone nothing happens.
struct AnswerTarget {
  virtual ~AnswerTarget() = default;
  // Whether every answer is the last of its connection.
  virtual bool is_draining() const = 0;
  // Sends bytes of the answer that `progress` belongs to. keep: whether the connection stays open behind the last.
  virtual void push(const std::shared_ptr<ReplyProgress>& progress, std::string bytes, bool is_last, bool keep) = 0;
  // Closes the connection, unless it has gone on to another answer.
  virtual void abandon(const std::shared_ptr<ReplyProgress>& progress) = 0;
};

// What of a request decides on the form of its answer.
struct AnswerForm {
  bool keep;        // whether the connection may stay open
  bool is_chunked;  // a stream is sent in chunks; in HTTP/1.0 the end of the connection is its end
  bool is_head;     // the body is left away
};

std::shared_ptr<Reply> make_reply(std::shared_ptr<AnswerTarget> target, std::shared_ptr<ReplyProgress> progress,
                                  const AnswerForm& form);

}  // namespace gpt2run
