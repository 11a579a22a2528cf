// Sink jsonl: one line with a JSON object for each sequence, in the order of sequences. A line is written when its
// sequence and all before it are finished.
#include <map>

#include "../common/manifest.hpp"
#include "../common/one_file.hpp"
#include "../common/sink_plugin.hpp"
#include "alternatives.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"out", "text", "-", "", "file to write; - is standard output, one write per sequence"},
    {"top", "int", "0", "[0, 1000]", "the most likely tokens at each place, with text and probability; 0 is none"},
    {"echo", "bool", "off", "", "the prompt's tokens too, with their logprobs"},
};

void append(std::string& list, std::string_view element) { list.append(list.empty() ? "" : ", ").append(element); }

// The tokens of a prompt or of its continuation, as JSON lists without their brackets.
struct TokenLists {
  std::string ids, logprobs, tops;

  void add(const TokenEvent& event, int top) {
    append(ids, std::to_string(event.id));
    std::string number;
    append_number(number, event.logprob);
    append(logprobs, number);
    if (top > 0) append(tops, alternatives(event, top));
  }

  std::string to_json(const std::string& prefix, int top) const {
    std::string json = ", \"" + prefix + "tokens\": [" + ids + "], \"" + prefix + "logprobs\": [" + logprobs + "]";
    if (top > 0) json += ", \"" + prefix + "top\": [" + tops + "]";
    return json;
  }
};

class Jsonl final : public Sink {
 public:
  Jsonl(const Options& options, const Host& host)
      : file_("jsonl", options, host), top_(static_cast<int>(options.integer("top"))), echo_(options.flag("echo")) {}

  uint32_t wants() const override { return kLogprob | kAnyOrder | (top_ > 0 ? kLogits : 0u) | (echo_ ? kPrompt : 0u); }

  void begin(std::string_view manifest_json) override {
    names_ = PromptNames(manifest_json);
    file_.begin();
  }

  void start(uint64_t sequence, std::string_view prompt, std::span<const int32_t>) override {
    Record& record = records_[sequence];
    record.line = "{\"sequence\": " + std::to_string(sequence);
    const std::string_view id = names_.of(sequence);
    if (!id.empty()) append_key(record.line, "id"), record.line += id;
    append_field(record.line, "prompt", prompt);
  }

  void token(const TokenEvent& event) override {
    Record& record = records_.at(event.sequence);
    if (event.step < 0) return record.prompt.add(event, top_);
    record.generated.add(event, top_);
    record.text += event.text;
  }

  void finish(uint64_t sequence, std::string_view tail, std::string_view reason) override {
    Record& record = records_.at(sequence);
    append_field(record.line, "text", record.text.append(tail));
    append_field(record.line, "finish_reason", reason);
    record.line += record.generated.to_json("", top_);
    if (echo_) record.line += record.prompt.to_json("prompt_", top_);
    record = {.line = std::move(record.line) + "}\n", .complete = true};
    for (; !records_.empty() && records_.begin()->first == turn_ && records_.begin()->second.complete; ++turn_)
      write_first();
  }

  // Lines may still wait for their turn, if the numbers of sequences have gaps.
  void end(std::string_view) override {
    while (!records_.empty()) write_first();
    file_.end();
  }

 private:
  void write_first() {
    file_.write(records_.begin()->second.line);
    records_.erase(records_.begin());
  }

  struct Record {
    std::string line;
    bool complete = false;  // the line is complete and waits for its turn
    std::string text = {};
    TokenLists prompt = {}, generated = {};
  };

  OneFile file_;
  int top_;
  bool echo_;
  PromptNames names_;
  std::map<uint64_t, Record> records_;  // by sequence; they may start in any order
  uint64_t turn_ = 0;                   // the sequence to write next
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::sink_plugin<gpt2run::Jsonl>(
    "jsonl", "one JSON object per sequence: text, tokens, logprobs, alternatives", gpt2run::kOptions);
