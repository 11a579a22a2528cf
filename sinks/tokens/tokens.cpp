// Sink tokens: one line of token ids for each sequence, in the form that --tokens accepts.
#include "../common/one_file.hpp"
#include "../common/sink_plugin.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"out", "text", "-", "", "file to write; - is standard output, one write per sequence"},
    {"echo", "bool", "off", "", "the prompt's ids before the new ones"},
};

class Tokens final : public Sink {
 public:
  Tokens(const Options& options, const Host& host) : file_("tokens", options, host), echo_(options.flag("echo")) {}

  uint32_t wants() const override { return 0; }

  void begin(std::string_view) override { file_.begin(); }

  void start(uint64_t, std::string_view, std::span<const int32_t> tokens) override {
    line_.clear();
    if (!echo_) return;
    for (const int32_t id : tokens) add(id);
  }

  void token(const TokenEvent& event) override { add(event.id); }

  void finish(uint64_t, std::string_view, std::string_view) override { file_.write(line_ + "\n"); }

  void end(std::string_view) override { file_.end(); }

 private:
  void add(int32_t id) {
    if (!line_.empty()) line_ += ' ';
    line_ += std::to_string(id);
  }

  OneFile file_;
  bool echo_;
  std::string line_;  // of the current sequence
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::sink_plugin<gpt2run::Tokens>("tokens", "token ids, a line per sequence", gpt2run::kOptions);
