// Sink timings: what every forward pass spent where, in milliseconds, as one JSON object of arrays.
#include <optional>
#include <vector>

#include "common/manifest.hpp"
#include "gpt2run/json_text.hpp"
#include "gpt2run/output_file.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"out", "text", "timings_{name}.json", "", "file to write, {name} is replaced; - is standard output"},
    {"name", "text", "", "", "in the file's name; empty is the precision's type, as FP16"},
};

class Timings final : public Sink {
 public:
  Timings(const Options& options, const Host& host)
      : out_(options.text("out")), name_(options.text("name")), host_(host) {
    if (name_.find('/') != std::string::npos) fail("timings: name: expected no '/', found ", in_quotes(name_));
  }

  uint32_t wants() const override { return kTimes | kAnyOrder; }

  void begin(std::string_view manifest_json) override {
    if (name_.empty()) name_ = precision_type(manifest_json);
    constexpr std::string_view kPlace = "{name}";
    if (const size_t at = out_.find(kPlace); at != out_.npos) out_.replace(at, kPlace.size(), name_);
    output_.emplace(out_);
  }

  void pass(const PassEvent& event) override { passes_.push_back(event.times); }
  void token(const TokenEvent&) override {}

  void end(std::string_view summary_json) override {
    std::string json = "{\"model_initialization\": [";
    constexpr double kMilliseconds = 1e3;
    if (const auto seconds = open_seconds(summary_json)) append_number(json, *seconds * kMilliseconds);
    for (const auto& [key, time] : kPhases) {
      json.append("],\n \"").append(key).append("\": [");
      for (size_t i = 0; i < passes_.size(); ++i) {
        if (i > 0) json += ", ";
        append_number(json, passes_[i].*time);
      }
    }
    output_->write(json + "]}\n");
    output_->publish();
    if (output_->is_file()) host_.log(1, ("timings: wrote " + out_).c_str());
  }

 private:
  std::string out_, name_;
  Host host_;
  std::optional<Output> output_;
  std::vector<StepTimes> passes_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sink,
    .space = gpt2run::Space::host,
    .selects = false,
    .name = "timings",
    .version = "0.1.0",
    .summary = "milliseconds of every forward pass, by phase",
    .options = gpt2run::kOptions,
    .option_count = std::size(gpt2run::kOptions),
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sink, gpt2run::Timings>,
};
