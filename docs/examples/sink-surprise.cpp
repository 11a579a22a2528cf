// Sink surprise: one line per sequence with the mean negative log-probability of its tokens.
#include <cmath>
#include <sstream>

#include "gpt2run/sdk/output_file.hpp"
#include "gpt2run/sink.hpp"

namespace {

constexpr gpt2run::OptionSpec kOptions[] = {
    {"out", "text", "-", "", "file to write; - is standard output"},
    {"unit", "enum", "bits", "bits|nats", "of what a token tells"},
};

class SurpriseSink final : public gpt2run::Sink {
 public:
  SurpriseSink(const gpt2run::Options& options, const gpt2run::Host&)
      : out_(options.text("out")), unit_(options.text("unit")), scale_(unit_ == "bits" ? 1 / std::log(2.0) : 1) {}

  uint32_t wants() const override { return gpt2run::kLogprob; }

  void start(uint64_t, std::string_view, std::span<const int32_t>) override { sum_ = tokens_ = 0; }

  void token(const gpt2run::TokenEvent& event) override {
    sum_ -= event.logprob;
    ++tokens_;
  }

  void finish(uint64_t sequence, std::string_view, std::string_view reason) override {
    lines_ << "sequence " << sequence << ": ";
    if (tokens_ > 0) lines_ << sum_ / tokens_ * scale_ << " " << unit_ << " per token over ";
    lines_ << tokens_ << " tokens, ended by " << reason << "\n";
  }

  // Nothing is written before the end of the run.
  void end(std::string_view) override {
    gpt2run::Output output(out_);
    output.write(lines_.str());
    output.publish();
  }

 private:
  std::string out_, unit_;
  double scale_;              // from nats to the unit
  double sum_ = 0;            // of -ln p over the tokens of the sequence
  double tokens_ = 0;         // of the sequence
  std::ostringstream lines_;  // of all sequences
};

}  // namespace

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sink,
    .space = gpt2run::Space::host,
    .selects = false,
    .name = "surprise",
    .version = "1.0",
    .summary = "how unlikely the model found its own tokens",
    .options = kOptions,
    .option_count = std::size(kOptions),
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sink, SurpriseSink>,
};
