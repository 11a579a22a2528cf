// Sink tokens: one line of token ids per sequence, as --tokens takes them.
#include <optional>

#include "gpt2run/output_file.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"out", "text", "-", "", "file to write; - is standard output, one write per sequence"},
    {"echo", "bool", "off", "", "the prompt's ids before the new ones"},
};

class Tokens final : public Sink {
 public:
  Tokens(const Options& options, const Host& host)
      : out_(options.text("out")), echo_(options.flag("echo")), host_(host) {}

  uint32_t wants() const override { return 0; }

  void begin(std::string_view) override { output_.emplace(out_); }

  void start(uint64_t, std::string_view, std::span<const int32_t> tokens) override {
    line_.clear();
    if (!echo_) return;
    for (const int32_t id : tokens) add(id);
  }

  void token(const TokenEvent& event) override { add(event.id); }

  void finish(uint64_t, std::string_view, std::string_view) override { output_->write(line_ + "\n"); }

  void end(std::string_view) override {
    output_->publish();
    if (output_->is_file()) host_.log(1, ("tokens: wrote " + out_).c_str());
  }

 private:
  void add(int32_t id) {
    if (!line_.empty()) line_ += ' ';
    line_ += std::to_string(id);
  }

  std::string out_;
  bool echo_;
  Host host_;
  std::optional<Output> output_;
  std::string line_;  // of the sequence whose turn it is
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sink,
    .space = gpt2run::Space::host,
    .selects = false,
    .name = "tokens",
    .version = "0.1.0",
    .summary = "token ids, a line per sequence",
    .options = gpt2run::kOptions,
    .option_count = std::size(gpt2run::kOptions),
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sink, gpt2run::Tokens>,
};
