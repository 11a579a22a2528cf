// Sink text: every prompt with its continuation, as it comes, to standard output or into a file. From the second
// sequence on, a line "--- sequence N" stands before each.
#include <optional>

#include "gpt2run/output_file.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"out", "text", "-", "", "file to write; - is standard output, one write per token"},
    {"echo", "bool", "on", "", "the prompt before its continuation"},
};

class Text final : public Sink {
 public:
  Text(const Options& options, const Host& host)
      : out_(options.text("out")), echo_(options.flag("echo")), host_(host) {}

  uint32_t wants() const override { return 0; }

  void begin(std::string_view) override { output_.emplace(out_); }
  void start(uint64_t sequence, std::string_view prompt, std::span<const int32_t>) override {
    if (!first_) output_->write("--- sequence " + std::to_string(sequence) + "\n");
    first_ = false;
    if (echo_) output_->write(prompt);
  }
  void token(const TokenEvent& event) override { output_->write(event.text); }
  void finish(uint64_t, std::string_view tail, std::string_view) override { output_->write(std::string(tail) + "\n"); }

  void end(std::string_view) override {
    output_->publish();
    if (output_->is_file()) host_.log(1, ("text: wrote " + out_).c_str());
  }

 private:
  std::string out_;
  bool echo_;
  Host host_;
  std::optional<Output> output_;
  bool first_ = true;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sink,
    .space = gpt2run::Space::host,
    .selects = false,
    .name = "text",
    .version = "0.1.0",
    .summary = "prompts and continuations as text",
    .options = gpt2run::kOptions,
    .option_count = std::size(gpt2run::kOptions),
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sink, gpt2run::Text>,
};
