// Sink text: streams every prompt with its continuation to standard output or into a file. From the second sequence on,
// each is preceded by a line "--- sequence N".
#include "../common/one_file.hpp"
#include "../common/sink_plugin.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"out", "text", "-", "", "file to write; - is standard output, one write per token"},
    {"echo", "bool", "on", "", "the prompt before its continuation"},
};

class Text final : public Sink {
 public:
  Text(const Options& options, const Host& host) : file_("text", options, host), echo_(options.flag("echo")) {}

  uint32_t wants() const override { return 0; }

  void begin(std::string_view) override { file_.begin(); }
  void start(uint64_t sequence, std::string_view prompt, std::span<const int32_t>) override {
    if (!first_) file_.write("--- sequence " + std::to_string(sequence) + "\n");
    first_ = false;
    if (echo_) file_.write(prompt);
  }
  void token(const TokenEvent& event) override { file_.write(event.text); }
  void finish(uint64_t, std::string_view tail, std::string_view) override { file_.write(std::string(tail) + "\n"); }
  void end(std::string_view) override { file_.end(); }

 private:
  OneFile file_;
  bool echo_;
  bool first_ = true;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::sink_plugin<gpt2run::Text>("text", "prompts and continuations as text", gpt2run::kOptions);
