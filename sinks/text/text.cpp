// Sink text: every prompt with its continuation, as it comes, to standard output or into a file. From the second
// sequence on, a line "--- sequence N" stands before each.
#include <unistd.h>

#include <optional>

#include "gpt2run/output_file.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"out", "text", "-", "", "file to write; - is standard output, one write per token"},
};

class Text final : public Sink {
 public:
  Text(const Options& options, const Host& host) : out_(options.text("out")), host_(host) {}

  uint32_t wants() const override { return 0; }

  void begin(std::string_view) override {
    if (out_ != "-") file_.emplace(out_);
  }
  void start(uint64_t sequence, std::string_view prompt, std::span<const int32_t>) override {
    if (!first_) put("--- sequence " + std::to_string(sequence) + "\n");
    first_ = false;
    put(prompt);
  }
  void token(const TokenEvent& event) override { put(event.text); }
  void finish(uint64_t, std::string_view tail, std::string_view) override { put(std::string(tail) + "\n"); }

  void end(std::string_view) override {
    if (!file_) return;
    file_->publish();
    host_.log(1, ("text: wrote " + out_).c_str());
  }

 private:
  void put(std::string_view text) { file_ ? file_->write(text) : write_all(STDOUT_FILENO, text, "standard output"); }

  std::string out_;
  Host host_;
  std::optional<OutputFile> file_;
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
