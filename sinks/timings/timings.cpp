// Sink timings: the milliseconds that every step spent in each phase, as a JSON object of arrays.
#include <vector>

#include "../common/manifest.hpp"
#include "../common/one_file.hpp"
#include "../common/sink_plugin.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"out", "text", "timings_{name}.json", "", "file to write, {name} is replaced; - is standard output"},
    {"name", "text", "", "", "in the file's name; empty is the precision's type, as FP16"},
};

class Timings final : public Sink {
 public:
  Timings(const Options& options, const Host& host) : file_("timings", options, host), name_(options.text("name")) {
    if (name_.find('/') != std::string::npos) fail("timings: name: expected no '/', found ", in_quotes(name_));
  }

  uint32_t wants() const override { return kTimes | kAnyOrder; }

  void begin(std::string_view manifest_json) override {
    if (name_.empty()) name_ = precision_type(manifest_json);
    file_.begin(name_);
  }

  void step(const StepEvent& event) override { steps_.push_back(event.times); }
  void token(const TokenEvent&) override {}

  void end(std::string_view summary_json) override {
    std::string json = "{\"model_initialization\": [";
    constexpr double kMilliseconds = 1e3;
    if (const auto seconds = open_seconds(summary_json)) append_number(json, *seconds * kMilliseconds);
    for (const auto& [key, time] : kPhases) {
      json.append("],\n \"").append(key).append("\": [");
      for (size_t i = 0; i < steps_.size(); ++i) {
        if (i > 0) json += ", ";
        append_number(json, steps_[i].*time);
      }
    }
    file_.write(json + "]}\n");
    file_.end();
  }

 private:
  OneFile file_;
  std::string name_;
  std::vector<StepTimes> steps_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::sink_plugin<gpt2run::Timings>("timings", "milliseconds of every forward pass, by phase",
                                                        gpt2run::kOptions);
