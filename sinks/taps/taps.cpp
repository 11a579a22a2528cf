// Sink taps: what operations write inside the model, as an array (tokens, columns) for each sequence, operation and
// layer, and an index of these files that also has Hugging Face's names. All files appear together at the end of the
// run; a run that fails leaves none.
#include <set>

#include "../common/attention_rows.hpp"
#include "../common/manifest.hpp"
#include "../common/older_arrays.hpp"
#include "../common/ranges.hpp"
#include "../common/sink_plugin.hpp"
#include "gpt2run/sdk/network.hpp"
#include "tap_record.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {
    {"dir", "text", "taps", "", "folder to write into, made if missing"},
    {"name", "text", "", "", "before the files' names, as in NAME_index.json; may be empty"},
    {"ops", "text", "embed+down_add", "", "operations joined by +, or all; embed+down_add: the hidden states"},
    {"layers", "text", "all", "", "all, or layers such as 0-3+7"},
    {"positions", "text", "all", "", "all, or positions such as 0-3+7 of each sequence"},
    {"format", "enum", "npy", "npy", "of the arrays"},
};

// The names in a text such as "embed+down_add". "all" stands for the operations of a pass, which attention_weights is
// not.
std::set<std::string, std::less<>> read_ops(std::string_view text) {
  std::set<std::string, std::less<>> ops;
  std::string names;
  for (int op = 0; op < kTapOps; ++op) names.append(op > 0 ? ", " : "").append(name_of(static_cast<Op>(op)));
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find_first_of("+,", at), text.size());
    const std::string_view name = text.substr(at, end - at);
    at = end + 1;
    bool is_known = false;
    for (int op = 0; op < kTapOps; ++op) {
      const char* own = name_of(static_cast<Op>(op));
      if (name != own && !(name == "all" && op < kOps)) continue;
      is_known = true;
      ops.emplace(own);
    }
    if (!is_known) fail("taps: ops: expected all, or some of ", names, ", joined by +, found ", in_quotes(name));
  }
  return ops;
}

class Taps final : public Sink {
 public:
  Taps(const Options& options, const Host& host)
      : dir_(options.text("dir")),
        prefix_(options.text("name")),
        ops_(read_ops(options.text("ops"))),
        layers_("taps: layers", options.text("layers")),
        positions_("taps: positions", options.text("positions")),
        host_(host) {
    if (prefix_.find('/') != std::string::npos) fail("taps: name: expected no '/', found ", in_quotes(prefix_));
    if (!prefix_.empty()) prefix_ += '_';
  }

  uint32_t wants() const override { return kTaps | kAnyOrder; }
  bool taps(const char* op) const override {
    asked_.emplace(op);
    return ops_.contains(std::string_view(op));
  }

  void begin(std::string_view manifest_json) override {
    names_ = PromptNames(manifest_json);
    const ModelSizes sizes = model_sizes(manifest_json);
    heads_ = sizes.H, count_ = sizes.L;
    if (sizes.L > 0) layers_.check_below("taps: layers", "layers of the model", sizes.L);
    index_.emplace(dir_ + "/" + prefix_ + "index.json");  // now, so that another output of this name is noticed
  }

  void start(uint64_t sequence, std::string_view, std::span<const int32_t> tokens) override {
    live_[sequence] = {std::string(names_.of(sequence)), {tokens.begin(), tokens.end()}, {}};
  }

  void token(const TokenEvent& event) override { live_.at(event.sequence).tokens.push_back(event.id); }

  void tensor(const TensorEvent& event) override {
    count_ = std::max(count_, event.layer + 1);
    for (int32_t row = 0; row < event.rows; ++row) length_ = std::max(length_, event.owners[row].position + 1);
    if (event.layer >= 0 && !layers_.contains(event.layer)) return;
    for (int32_t row = 0; row < event.rows; ++row) keep(event, row);
  }

  void finish(uint64_t sequence, std::string_view, std::string_view) override {
    for (const std::string& op : ops_)
      if (!asked_.contains(op)) fail("taps: ops: this precision does not show ", op);
    auto node = live_.extract(sequence);
    std::vector<TapArray> arrays;
    for (const auto& [place, rows] : node.mapped().rows) {
      const auto& [op, layer] = place;
      const std::string in_layer = layer < 0 ? "" : "layer" + std::to_string(layer) + "_";
      const std::string file = prefix_ + "sequence" + std::to_string(sequence) + "_" + in_layer + op + ".npy";
      OutputFile& out = files_.emplace_back(dir_ + "/" + file);
      arrays.push_back({place, file, write_array(out, place, rows, heads_), rows.positions});
      out.close();
    }
    node.mapped().rows.clear();
    done_.emplace(sequence, std::pair(std::move(node.mapped()), std::move(arrays)));
  }

  void end(std::string_view) override {
    if (files_.empty())
      fail("taps: expected values to write, but of ", count_, " layers and ", length_,
           " positions of this run none is among those that were chosen");
    OutputFile& index = *index_;
    const char* separator = "{\"sequences\": [\n";
    for (const auto& [sequence, done] : done_) {
      index.write(separator + index_entry(sequence, done.first, done.second, count_));
      separator = ",\n";
    }
    index.write("\n]}\n");
    std::vector<OutputFile*> files;
    for (OutputFile& file : files_) files.push_back(&file);
    files.push_back(&index);
    OutputFile::publish_all(files);
    warn_of_positions(host_, "taps", positions_, length_);
    warn_of_older_arrays(host_, "taps", dir_, prefix_ + "sequence", files_);
    host_.log(1, ("taps: wrote " + index.path() + " and " + std::to_string(files_.size()) + " arrays").c_str());
  }

 private:
  // A position that is read again, after a context shift or by --recompute, stays as it was read first.
  void keep(const TensorEvent& event, int32_t index) {
    const TensorRow& row = event.owners[index];
    const auto found = live_.find(row.sequence);
    if (found == live_.end() || !positions_.contains(row.position)) return;
    TapRows& rows = found->second.rows[{event.op, event.layer}];
    if (!rows.positions.empty() && row.position <= rows.positions.back()) return;
    std::vector<float> seen;
    std::span<const float> kept(event.values + int64_t{index} * event.cols, static_cast<size_t>(event.cols));
    if (std::string_view(event.op) == name_of(Op::attention_weights))
      kept = seen = kept_weights("taps", event, index, heads_);
    rows.positions.push_back(row.position);
    rows.values.insert(rows.values.end(), kept.begin(), kept.end());
  }

  std::string dir_, prefix_;
  std::set<std::string, std::less<>> ops_;
  Ranges layers_, positions_;
  Host host_;
  PromptNames names_;
  int heads_ = 0;
  int32_t count_ = 0;   // layers of the model, those that have been seen where the manifest does not tell
  int32_t length_ = 0;  // positions of the longest sequence, likewise
  mutable std::set<std::string, std::less<>> asked_;
  std::map<uint64_t, TapRecord> live_;
  std::map<uint64_t, std::pair<TapRecord, std::vector<TapArray>>> done_;
  std::vector<OutputFile> files_;  // complete, not yet under their names
  std::optional<OutputFile> index_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::sink_plugin<gpt2run::Taps>(
    "taps", "what operations write inside the model: .npy arrays and an index", gpt2run::kOptions);
