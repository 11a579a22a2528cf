// Sink frozen: a line for each sequence, "sequence reason text id:logprob ...", the text as two digits a byte and
// log-probabilities exactly. It also looks that every event is the next one of its sequence.
#include "gpt2run/sink.hpp"

#include <cstdio>
#include <string>

#include "gpt2run/host_plugin.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {{"out", "text", "", "", "file to write, none where it is empty"}};

class Frozen final : public Sink {
 public:
  Frozen(const Options& options, const Host&) : out_(options.text("out")) {}

  uint32_t wants() const override { return kLogprob; }
  void start(uint64_t, std::string_view, std::span<const int32_t> tokens) override {
    text_.clear(), tokens_.clear();
    step_ = 0, position_ = static_cast<int32_t>(tokens.size());
  }
  void token(const TokenEvent& event) override {
    if (event.step != step_++ || event.position != position_++) fail("the events of a sequence are not in order");
    add_text(event.text);
    char token[64];
    std::snprintf(token, sizeof token, " %d:%a", event.id, static_cast<double>(event.logprob));
    tokens_ += token;
  }
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason) override {
    add_text(tail);
    lines_.append(std::to_string(sequence)).append(" ").append(reason).append(" ").append(text_).append(tokens_) +=
        '\n';
  }
  void end(std::string_view) override {
    if (out_.empty()) return;
    std::FILE* file = std::fopen(out_.c_str(), "w");
    if (!file) fail(out_, ": cannot be written");
    std::fwrite(lines_.data(), 1, lines_.size(), file);
    std::fclose(file);
  }

 private:
  void add_text(std::string_view text) {
    for (const unsigned char byte : text) {
      char digits[4];
      std::snprintf(digits, sizeof digits, "%02x", byte);
      text_ += digits;
    }
  }

  std::string out_, lines_, text_, tokens_;
  int32_t step_ = 0, position_ = 0;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Sink, gpt2run::Frozen>(gpt2run::Kind::sink, false, "frozen", "1",
                                                                      "a line for each sequence", gpt2run::kOptions);
