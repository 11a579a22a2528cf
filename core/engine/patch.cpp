// Patches: their checks, the values that they write, and the tap.
#include "gpt2run/engine/patch.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "gpt2run/sdk/random.hpp"

namespace gpt2run {
namespace {

bool contains(std::span<const PatchRange> ranges, int32_t n) {
  return std::ranges::any_of(ranges, [n](const PatchRange& range) { return range.contains(n); });
}

// The range as a user writes it: 3, 3-7 or 3-.
std::string shown(const PatchRange& range) {
  std::string text = std::to_string(range.first);
  if (range.last == PatchRange::kOpen) return text + "-";
  return range.last == range.first ? text : text + "-" + std::to_string(range.last);
}

void check_ranges(const std::string& where, std::string_view what, std::span<const PatchRange> ranges, int32_t count) {
  for (const PatchRange& range : ranges) {
    const bool is_open = range.last == PatchRange::kOpen && what == "position";
    if (range.first >= 0 && range.first <= range.last && range.first < count && (is_open || range.last < count))
      continue;
    fail(where, ": expected ", what, "s of the model, 0 to ", count - 1, ", found ", shown(range));
  }
}

// A draw from the standard normal distribution, by Box and Muller. The stream sets it apart from the draws of samplers.
double normal_draw(uint64_t seed, Op op, int32_t layer, int32_t position, int32_t column) {
  constexpr uint32_t kStream = 0x70617463;
  constexpr double kTwo32 = 4294967296.0;
  const uint64_t value = uint64_t(op) << 56 | uint64_t(uint32_t(layer + 1)) << 32 | uint32_t(column);
  const uint64_t bits = random_bits(seed, value, position, kStream);
  const double u = (static_cast<double>(bits >> 32) + 0.5) / kTwo32;
  const double v = (static_cast<double>(bits & 0xFFFFFFFF) + 0.5) / kTwo32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

// The last position of a prompt that the patch names; kOpen if its positions have no end.
int32_t last_position(const Patch& patch, int32_t length) {
  int32_t last = patch.at_all() || patch.at_last ? length - 1 : 0;
  for (const PatchRange& range : patch.positions) last = std::max(last, range.last);
  return last;
}

bool needs_prompt(const Patch& patch) {
  return patch.source == PatchSource::mean || patch.source == PatchSource::noise;
}

}  // namespace

std::optional<Op> patched_op(std::string_view name) {
  for (int op = 0; op < kPatchedOps; ++op)
    if (name == name_of(static_cast<Op>(op))) return static_cast<Op>(op);
  return std::nullopt;
}

bool Patch::is_in(int32_t layer) const {
  if (!has_layers(op)) return layer < 0;
  return layer >= 0 && (layers.empty() || contains(layers, layer));
}

void check_patch(const Patch& patch, const ModelConfig& model) {
  const std::string name = name_of(patch.op);
  if (!has_layers(patch.op) && !patch.layers.empty())
    fail(name, ": expected no layer, because the operation is in none, found ", shown(patch.layers.front()));
  check_ranges(name, "layer", patch.layers, model.L);
  check_ranges(name, "position", patch.positions, model.T);
  if (patch.op != Op::attention && patch.op != Op::norm_qkv && !patch.heads.empty())
    fail(name, ": expected no heads, which only attention and norm_qkv have, found ", shown(patch.heads.front()));
  check_ranges(name, "head", patch.heads, model.H);
  if (!std::isfinite(patch.factor)) fail(name, ": expected a finite factor, found ", patch.factor);
  if (patch.source != PatchSource::from) return;
  if (patch.donor.empty()) fail(name, ": expected a text to take values from, found an empty one");
  if (std::ssize(patch.donor) > model.T)
    fail(name, ": expected a text of at most ", model.T, " tokens to take values from, the model's context, found ",
         patch.donor.size());
  for (const int32_t id : patch.donor)
    if (id < 0 || id >= model.V)
      fail(name, ": token ", id, " of the text to take values from is out of range, the vocabulary has ", model.V);
}

void check_donor(const Patch& patch, size_t prompt) {
  if (patch.source != PatchSource::from) return;
  const int32_t last = last_position(patch, static_cast<int32_t>(prompt));
  if (last == PatchRange::kOpen)
    fail(name_of(patch.op), ": expected positions with an end, because values come from another text, found ",
         shown(*std::ranges::find(patch.positions, last, &PatchRange::last)));
  if (last >= std::ssize(patch.donor))
    fail(name_of(patch.op), ": expected a text of at least ", last + 1,
         " tokens to take values from, because position ", last, " is patched, found ", patch.donor.size());
}

int32_t context_of(std::span<const Patch> patches, int32_t length) {
  int32_t context = 1;
  for (const Patch& patch : patches) {
    if (patch.source == PatchSource::from) context = std::max(context, last_position(patch, length) + 1);
    if (needs_prompt(patch)) context = std::max(context, length);
  }
  return context;
}

BoundPatch::BoundPatch(Patch patch, const ModelConfig& model, std::shared_ptr<const Recording> recording,
                       int32_t length)
    : patch_(std::move(patch)), C_(model.C), head_(model.C / model.H), recording_(std::move(recording)) {
  if (patch_.at_all()) patch_.positions = {{0, length - 1}};
  if (patch_.at_last) patch_.positions.push_back({length - 1, length - 1});
  patch_.at_last = false;
  patch_.donor = {};  // its values are in the recording
  if (!needs_prompt(patch_)) return;
  auto statistics = std::make_shared<std::map<int32_t, Statistics>>();
  for (const auto& [layer, values] : recording_->layers) (*statistics)[layer] = statistics_of(values, recording_->cols);
  statistics_ = std::move(statistics), recording_ = nullptr;
}

BoundPatch::Statistics BoundPatch::statistics_of(const std::vector<float>& values, int32_t cols) {
  Statistics found;
  const auto count = static_cast<double>(values.size());
  const double rows = count / cols;
  double sum = 0, squares = 0;
  for (int32_t column = 0; column < cols; ++column) {
    double of_column = 0;
    for (size_t i = column; i < values.size(); i += cols) of_column += values[i];
    found.mean.push_back(static_cast<float>(of_column / rows));
    sum += of_column;
  }
  for (const float value : values) squares += (value - sum / count) * (value - sum / count);
  found.deviation = std::sqrt(squares / count);
  return found;
}

bool BoundPatch::applies(Op op, int32_t layer, int32_t position) const {
  return op == patch_.op && patch_.is_in(layer) && contains(patch_.positions, position);
}

BoundPatch BoundPatch::only(int32_t layer, int32_t position) const {
  BoundPatch one = *this;
  if (has_layers(patch_.op)) one.patch_.layers = {{layer, layer}};
  one.patch_.positions = {{position, position}};
  return one;
}

void BoundPatch::apply(int32_t layer, int32_t position, std::span<float> row) const {
  if (patch_.heads.empty()) return apply(layer, position, row, 0, static_cast<int32_t>(row.size()));
  for (int32_t head = 0; head < C_ / head_; ++head) {
    if (!contains(patch_.heads, head)) continue;
    for (int32_t part = 0; part < std::ssize(row); part += C_)  // queries, keys and values stand one behind the other
      apply(layer, position, row, part + head * head_, part + (head + 1) * head_);
  }
}

void BoundPatch::apply(int32_t layer, int32_t position, std::span<float> row, int32_t begin, int32_t end) const {
  switch (patch_.source) {
    case PatchSource::from: {
      const std::vector<float>& values = recording_->layers.at(layer);
      const float* other = values.data() + int64_t(position) * recording_->cols;
      std::copy(other + begin, other + end, row.begin() + begin);
      return;
    }
    case PatchSource::zero:
      std::fill(row.begin() + begin, row.begin() + end, 0.0f);
      return;
    case PatchSource::mean: {
      const std::vector<float>& mean = statistics_->at(layer).mean;
      std::copy(mean.begin() + begin, mean.begin() + end, row.begin() + begin);
      return;
    }
    case PatchSource::scale:
      for (int32_t i = begin; i < end; ++i) row[i] *= patch_.factor;
      return;
    case PatchSource::noise: {
      const double size = patch_.factor * statistics_->at(layer).deviation;
      for (int32_t i = begin; i < end; ++i)
        row[i] = static_cast<float>(row[i] + size * normal_draw(patch_.seed, patch_.op, layer, position, i));
      return;
    }
  }
}

PatchTap::PatchTap(std::span<const Patch> patches, PatchesOf patches_of) : patches_of_(std::move(patches_of)) {
  for (const Patch& patch : patches) ops_.insert(patch.op);
}

bool PatchTap::wants(const char* op) const {
  const std::optional<Op> wanted = patched_op(op);
  return wanted && ops_.contains(*wanted);
}

bool PatchTap::tensor(const char* name, int layer, float* values, int cols, std::span<const TensorRow> owners) {
  const std::optional<Op> op = patched_op(name);
  if (!op || !ops_.contains(*op)) return false;
  bool changed = false;
  for (const TensorRow& owner : owners) {
    const std::span<float> row(values, static_cast<size_t>(cols));
    values += cols;
    for (const BoundPatch& patch : patches_of_(owner.sequence)) {
      if (!patch.applies(*op, layer, owner.position)) continue;
      patch.apply(layer, owner.position, row);
      changed = true;
    }
  }
  return changed;
}

namespace {

// Records one operation in the layers of a patch.
class Recorder final : public Tap {
 public:
  explicit Recorder(const Patch& patch) : patch_(patch) {}
  bool wants(const char* op) const override { return op == std::string_view(name_of(patch_.op)); }
  bool tensor(const char* op, int layer, float* host, int rows, int cols) override {
    if (!wants(op) || !patch_.is_in(layer)) return false;
    recording.cols = cols;
    std::vector<float>& values = recording.layers[layer];
    values.insert(values.end(), host, host + int64_t(rows) * cols);
    return false;
  }
  Recording recording;

 private:
  const Patch& patch_;
};

}  // namespace

std::shared_ptr<const Recording> PatchBinder::record(const Patch& patch, std::span<const int32_t> tokens) {
  const bool logits = patch.op == Op::norm_logits;
  const size_t chunk = std::max(1, logits ? std::min(limits_.rows, limits_.logit_rows) : limits_.rows);
  if (std::ssize(tokens) > limits_.context)
    fail(name_of(patch.op), ": expected a session that holds ", tokens.size(), " positions, found ", limits_.context);
  Recorder recorder(patch);
  const TapOfPatches tapped(session_, recorder);
  session_.start(0, {0, 0, 0, 0, 0, 0});
  std::vector<Row> rows;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    if (check_) check_();
    rows.clear();
    for (const int32_t token : tokens.subspan(begin, std::min(chunk, tokens.size() - begin)))
      rows.push_back({0, token, logits});
    session_.step(rows);
  }
  return std::make_shared<const Recording>(std::move(recorder.recording));
}

BoundPatch PatchBinder::bind(const Patch& patch, std::span<const int32_t> prompt) {
  check_patch(patch, model_);
  check_donor(patch, prompt.size());
  const auto length = static_cast<int32_t>(prompt.size());
  std::shared_ptr<const Recording> recording;
  if (patch.source == PatchSource::from) {
    Donor key{patch.op, patch.donor, {}};
    key.tokens.resize(last_position(patch, length) + 1);
    for (const PatchRange& range : patch.layers) key.layers.emplace_back(range.first, range.last);
    std::shared_ptr<const Recording>& known = donors_[key];
    if (!known) known = record(patch, key.tokens);
    recording = known;
  } else if (needs_prompt(patch)) {
    recording = record(patch, prompt);
  } else {
    Recorder none(patch);
    const TapOfPatches tapped(session_, none);  // says so if the session has no taps
  }
  return BoundPatch(patch, model_, std::move(recording), length);
}

}  // namespace gpt2run
