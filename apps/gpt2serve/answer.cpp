#include "gpt2serve/answer.hpp"

#include <utility>

namespace gpt2run {
namespace {

constexpr size_t kMostPending = size_t{256} << 10;  // bytes of a stream that wait for a client
constexpr int kNoContent = 204;                     // an answer without a body, which may not give a length

class Answer final : public Reply {
 public:
  Answer(std::shared_ptr<AnswerTarget> target, std::shared_ptr<ReplyProgress> progress, const AnswerForm& form)
      : target_(std::move(target)), progress_(std::move(progress)), form_(form) {}
  ~Answer() override {
    try {
      if (!is_over_) target_->abandon(progress_);
    } catch (const std::exception&) {  // without memory the connection stays until the server drains
    }
  }

  void send(int status, std::string_view content_type, std::string body, const HttpHeaders& headers) override {
    form_.keep = form_.keep && !target_->is_draining();
    std::string bytes = answer_head(status, content_type, form_.keep, headers);
    if (status != kNoContent) bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    bytes += "\r\n";
    if (form_.is_head) body.clear();
    push(std::move(body.insert(0, bytes)), true);
  }

  void begin(std::string_view content_type, const HttpHeaders& headers) override {
    form_.keep = form_.keep && form_.is_chunked && !target_->is_draining();
    push(answer_head(200, content_type, form_.keep, headers) +
             (form_.is_chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n"),
         false);
  }

  void write(std::string text) override {
    if (text.empty() || progress_->is_gone()) return;
    if (progress_->pending > kMostPending) return target_->abandon(progress_);
    push(form_.is_chunked ? chunk_of(text) : std::move(text), false);
  }

  void end() override { push(form_.is_chunked ? "0\r\n\r\n" : "", true); }

  void on_gone(std::function<void()> gone) override { progress_->on_gone(std::move(gone)); }

 private:
  void push(std::string bytes, bool is_last) {
    is_over_ |= is_last;
    progress_->pending += bytes.size();
    target_->push(progress_, std::move(bytes), is_last, form_.keep);
  }

  const std::shared_ptr<AnswerTarget> target_;
  const std::shared_ptr<ReplyProgress> progress_;
  AnswerForm form_;
  bool is_over_ = false;
};

}  // namespace

std::shared_ptr<Reply> make_reply(std::shared_ptr<AnswerTarget> target, std::shared_ptr<ReplyProgress> progress,
                                  const AnswerForm& form) {
  return std::make_shared<Answer>(std::move(target), std::move(progress), form);
}

}  // namespace gpt2run
