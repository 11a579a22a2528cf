// Sink lens: what the model would say if it ended after each of its layers, at every position of a sequence: a table,
// lines of JSON or a page.
#include <map>
#include <optional>

#include "../common/manifest.hpp"
#include "../common/one_file.hpp"
#include "../common/page.hpp"
#include "../common/ranges.hpp"
#include "../common/sink_plugin.hpp"
#include "gpt2run/sdk/layer_reader.hpp"
#include "lens_json.hpp"
#include "lens_table.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"out", "text", "-", "", "file to write; - is standard output, one write per sequence"},
    {"format", "enum", "text", "text|jsonl|html", "a table, JSON lines, or a page to look at in a browser"},
    {"top", "int", "5", "[1, 100]", "the most likely tokens after each layer"},
    {"positions", "text", "all", "", "all, last, or positions such as 0-3+7; last is the last one of the sequence"},
    {"width", "int", "100", "[40, 1000]", "columns of a table"},
};

class Lens final : public Sink {
 public:
  Lens(const Options& options, const Host& host)
      : file_("lens", options, host),
        format_(options.text("format")),
        last_only_(options.text("positions") == "last"),
        positions_("lens: positions", last_only_ ? "all" : options.text("positions")),
        top_(static_cast<int>(options.integer("top"))),
        width_(static_cast<int>(options.integer("width"))),
        host_(host) {}

  uint32_t wants() const override { return kTaps | kAnyOrder; }
  bool taps(const char* op) const override { return std::string_view(op) == "embed" || is_layers_end(op); }

  void begin(std::string_view manifest_json) override {
    names_ = PromptNames(manifest_json);
    layers_ = model_sizes(manifest_json).L;
    file_.begin();
    if (format_ == "html") file_.write(parts_of(lens_page()).head);
  }

  void start(uint64_t sequence, std::string_view, std::span<const int32_t> tokens) override {
    LiveRecord& live = live_[sequence];
    live.record.name = names_.of(sequence);
    live.first_last = static_cast<int32_t>(tokens.size()) - 1;
  }

  void tensor(const TensorEvent& event) override {
    if (layers_ == 0) fail("lens: expected the model's number of layers in the manifest of the run, found none");
    for (int32_t row = 0; row < event.rows; ++row) length_ = std::max(length_, event.owners[row].position + 1);
    if (!reader_) reader_.emplace(layers_, top_);
    reader_->take(
        event, [this](const TensorRow& row) { return is_wanted(row); },
        [&](const TensorRow& row, LensPosition position) { keep(event, row, std::move(position)); });
  }

  void token(const TokenEvent&) override {}

  void finish(uint64_t sequence, std::string_view, std::string_view) override {
    live_[sequence].complete = true;
    for (; !live_.empty() && live_.begin()->first == turn_ && live_.begin()->second.complete; ++turn_) write_first();
  }

  // Sequences may still wait for their turn, if their numbers have gaps.
  void end(std::string_view) override {
    while (!live_.empty()) write_first();
    if (format_ == "html") file_.write(parts_of(lens_page()).tail);
    file_.end();
    warn_of_positions(host_, "lens", positions_, length_);
  }

 private:
  struct LiveRecord {
    LensRecord record;
    int32_t first_last = 0;  // the last position of the prompt: no earlier one can be the last of the sequence
    bool complete = false;   // the sequence has ended, and waits for its turn
  };

  static bool is_layers_end(std::string_view op) { return op == "down_add"; }

  // A position that is read again, after a context shift or by --recompute, is shown as it was read first.
  bool is_wanted(const TensorRow& row) const {
    const auto found = live_.find(row.sequence);
    if (found == live_.end() || found->second.record.positions.contains(row.position)) return false;
    if (!last_only_) return positions_.contains(row.position);
    const auto& kept = found->second.record.positions;  // the greatest one only
    return row.position >= found->second.first_last && (kept.empty() || row.position > kept.rbegin()->first);
  }

  void keep(const TensorEvent& event, const TensorRow& row, LensPosition position) {
    texts_.learn(event.vocabulary, position.id);
    texts_.learn(event.vocabulary, position.final);
    for (const RowReading& reading : position.layers)
      for (const RowToken& token : reading.top) texts_.learn(event.vocabulary, token.id);
    auto& positions = live_[row.sequence].record.positions;
    if (last_only_) positions.erase(positions.begin(), positions.lower_bound(row.position));
    positions.emplace(row.position, std::move(position));
  }

  void write_first() {
    const auto node = live_.extract(live_.begin());
    const LensRecord& record = node.mapped().record;
    if (format_ == "html")
      file_.write(page_data(lens_page_data(node.key(), record, texts_)));
    else if (format_ == "jsonl")
      file_.write(lens_lines(node.key(), record, texts_));
    else
      file_.write(lens_table(node.key(), record, texts_, width_));
  }

  OneFile file_;
  std::string format_;
  bool last_only_;
  Ranges positions_;
  int top_, width_, layers_ = 0;
  int32_t length_ = 0;  // positions of the longest sequence, as far as they were read
  Host host_;
  PromptNames names_;
  std::optional<LayerReader> reader_;
  TokenTexts texts_;
  std::map<uint64_t, LiveRecord> live_;  // by sequence; they may start in any order
  uint64_t turn_ = 0;                    // the sequence to write next
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::sink_plugin<gpt2run::Lens>(
    "lens", "what the model would say after each layer: a table, JSON lines or a page", gpt2run::kOptions);
