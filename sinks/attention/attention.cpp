// Sink attention: what every head attends to: an array (heads, tokens, tokens) for each layer and sequence, an index of
// these files, and a page to look at. All files appear together at the end of the run; a run that fails leaves none.
#include <map>
#include <optional>

#include "../common/attention_rows.hpp"
#include "../common/manifest.hpp"
#include "../common/older_arrays.hpp"
#include "../common/page.hpp"
#include "../common/ranges.hpp"
#include "../common/sink_plugin.hpp"
#include "../common/token_text.hpp"
#include "attention_files.hpp"
#include "attention_page.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"dir", "text", "attention", "", "folder to write into, made if missing"},
    {"layers", "text", "all", "", "all, or layers such as 0-3+7"},
    {"npy", "bool", "on", "", "an array for each layer and sequence"},
    {"page", "bool", "on", "", "attention.html, a page to look at in a browser"},
    {"page_tokens", "int", "256", "[1, 4096]", "the most tokens of a sequence on the page, its first ones"},
};

class Attention final : public Sink {
 public:
  Attention(const Options& options, const Host& host)
      : dir_(options.text("dir")),
        layers_("attention: layers", options.text("layers")),
        has_arrays_(options.flag("npy")),
        has_page_(options.flag("page")),
        most_tokens_(static_cast<int32_t>(options.integer("page_tokens"))),
        host_(host),
        files_(dir_) {}

  uint32_t wants() const override { return kTaps | kAnyOrder; }
  bool taps(const char* op) const override { return std::string_view(op) == "attention_weights"; }

  void begin(std::string_view manifest_json) override {
    names_ = PromptNames(manifest_json);
    const ModelSizes sizes = model_sizes(manifest_json);
    heads_ = sizes.H;
    if (sizes.L > 0) layers_.check_below("attention: layers", "layers of the model", sizes.L);
    files_.begin();
    if (!has_page_) return;
    page_.emplace(dir_ + "/attention.html");
    page_->write(parts_of(attention_page()).head);
  }

  void start(uint64_t sequence, std::string_view, std::span<const int32_t>) override {
    live_[sequence].name = names_.of(sequence);
  }

  void tensor(const TensorEvent& event) override {
    for (int32_t row = 0; row < event.rows; ++row) keep(event, row);
  }

  void token(const TokenEvent&) override {}

  void finish(uint64_t sequence, std::string_view, std::string_view) override {
    const auto node = live_.extract(sequence);
    if (node.empty() || node.mapped().tokens() == 0) return;
    files_.add(sequence, node.mapped(), heads_, has_arrays_);
    if (page_) add_to_page(sequence, node.mapped());
  }

  void end(std::string_view) override {
    if (files_.is_empty()) fail("attention: this precision does not show its attention weights");
    if (page_) page_->write(parts_of(attention_page()).tail);
    files_.publish(page_ ? &*page_ : nullptr);
    std::string line = "attention: wrote " + files_.index_path() + ", " + std::to_string(files_.arrays()) + " arrays";
    if (page_) line.append(", and ").append(page_->path());
    host_.log(1, line.c_str());
    warn_of_older_arrays(host_, "attention", dir_, "attention_", files_.files());
  }

 private:
  // A position that is read again, after a context shift or by --recompute, stays as it was read first.
  void keep(const TensorEvent& event, int32_t index) {
    const TensorRow& row = event.owners[index];
    const auto found = live_.find(row.sequence);
    if (found == live_.end()) return;
    AttentionRecord& record = found->second;
    if (row.position == record.tokens()) {
      record.ids.push_back(row.id);
      const std::string_view text = event.vocabulary ? event.vocabulary->piece(row.id) : std::string_view();
      record.texts.push_back(token_name(row.id, text));
    }
    if (!layers_.contains(event.layer)) return;
    LayerWeights& weights = record.layers[event.layer];
    const auto next = static_cast<int32_t>(weights.size());
    if (row.position < next) return;
    if (row.position > next)
      fail("attention: sequence ", row.sequence, ", layer ", event.layer, ": expected position ", next, ", found ",
           row.position);
    weights.push_back(kept_weights("attention", event, index, heads_));
  }

  void add_to_page(uint64_t sequence, const AttentionRecord& record) {
    const int32_t tokens = page_tokens(record, heads_, most_tokens_);
    const std::string place = "attention: " + page_->path() + ": sequence " + std::to_string(sequence);
    const int64_t bytes = page_bytes(record, heads_, tokens);
    if (page_weights_ + bytes > kMostPageBytes) {
      host_.log(2, (place + " is left out, since the page has become too large").c_str());
      return;
    }
    page_weights_ += bytes;
    if (tokens < record.tokens())
      host_.log(2, (place + ": only the first " + std::to_string(tokens) + " of its " +
                    std::to_string(record.tokens()) + " tokens are shown")
                       .c_str());
    page_->write(page_data(attention_page_data(sequence, record, heads_, tokens)));
  }

  std::string dir_;
  Ranges layers_;
  bool has_arrays_, has_page_;
  int32_t most_tokens_;
  Host host_;
  AttentionFiles files_;
  PromptNames names_;
  int heads_ = 0;
  int64_t page_weights_ = 0;  // bytes of the weights on the page
  std::optional<OutputFile> page_;
  std::map<uint64_t, AttentionRecord> live_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::sink_plugin<gpt2run::Attention>(
    "attention", "what every head attends to: arrays, and a page to look at", gpt2run::kOptions);
