// Sink logits: one file per sequence, {dir}/generation_{name}_{sequence}.json, with the token and the logits of every
// step. All files appear together at the end of the run; a run that fails leaves none.
#include <map>
#include <vector>

#include "../common/manifest.hpp"
#include "../common/sink_plugin.hpp"
#include "generation_file.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"dir", "text", "saved_logits", "", "folder to write into, made if missing"},
    {"name", "text", "", "", "in the files' names; empty is the precision's type, as FP16"},
    {"format", "enum", "json", "json|npy", "logits in the JSON, or in a .npy array (steps, vocabulary) beside it"},
};

class Logits final : public Sink {
 public:
  Logits(const Options& options, const Host& host)
      : dir_(options.text("dir")), name_(options.text("name")), npy_(options.text("format") == "npy"), host_(host) {
    if (name_.find('/') != std::string::npos) fail("logits: name: expected no '/', found ", name_);
  }

  uint32_t wants() const override { return kLogits | kLogprob | kAnyOrder; }

  void begin(std::string_view manifest_json) override {
    if (name_.empty()) name_ = precision_type(manifest_json);
  }

  void start(uint64_t sequence, std::string_view, std::span<const int32_t>) override {
    const std::string stem = dir_ + "/generation_" + name_ + "_" + std::to_string(sequence);
    live_.try_emplace(sequence, stem, npy_);
  }

  void token(const TokenEvent& event) override { live_.at(event.sequence).add(event); }

  void finish(uint64_t sequence, std::string_view tail, std::string_view) override {
    auto node = live_.extract(sequence);
    node.mapped().finish(tail);
    done_.push_back(std::move(node.mapped()));
  }

  void end(std::string_view) override {
    std::vector<OutputFile*> files;
    for (GenerationFile& file : done_) file.add_to(files);
    OutputFile::publish_all(files);
    if (done_.empty()) return;
    const std::string more = done_.size() > 1 ? " and " + std::to_string(done_.size() - 1) + " more" : "";
    host_.log(1, ("logits: wrote " + done_.front().path() + more).c_str());
  }

 private:
  std::string dir_, name_;
  bool npy_;
  Host host_;
  std::map<uint64_t, GenerationFile> live_;  // by sequence
  std::vector<GenerationFile> done_;         // complete, not yet under their names
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN =
    gpt2run::sink_plugin<gpt2run::Logits>("logits", "every step's logits, one file per sequence", gpt2run::kOptions);
