// Activation patching: a tap that overwrites what operations write, and thereby shows what a model's answer hangs on. A
// patch names an operation, layers, positions of a text, and where the new values come from. What is computed before it
// keeps its bits, and what follows is computed from the new values.
//
// A patch goes by the position in the text and by nothing else, so that a text gets the same bits in any batch, chunk
// and slot wherever the session's Traits promise that.
#pragma once
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "gpt2run/engine/taps.hpp"
#include "gpt2run/sdk/network.hpp"

namespace gpt2run {

// The operation of that name (sdk/network.hpp), if a patch can change what it writes: one of the seven of the network.
std::optional<Op> patched_op(std::string_view name);
inline constexpr int kPatchedOps = static_cast<int>(Op::norm_logits) + 1;  // the first ones of Op

// True for operations that every layer has.
constexpr bool has_layers(Op op) { return op != Op::embed && op != Op::norm_logits; }

// The whole numbers from `first` to `last`, both included.
struct PatchRange {
  static constexpr int32_t kOpen = std::numeric_limits<int32_t>::max();  // as `last`: without end
  int32_t first, last;
  bool contains(int32_t n) const { return n >= first && n <= last; }
};

// Where new values come from. Statistics are those of the prompt that is patched, of all its positions, as they are
// without any patch.
enum class PatchSource : uint8_t {
  from,   // what the operation writes for another text, the donor, at the same layer and position
  zero,   // 0
  mean,   // the mean over the prompt's positions, for each column
  scale,  // the value times `factor`
  noise,  // the value plus `factor` x s x n. s: the standard deviation of all values that the operation writes for the
          // prompt in that layer. n: a draw from the standard normal distribution, by (seed, operation, layer,
          // position, column), so that equal seeds give equal noise for every text.
};

struct Patch {
  Op op = Op::embed;
  std::vector<PatchRange> layers = {};     // none: all; embed and norm_logits are in no layer
  std::vector<PatchRange> positions = {};  // in the text, from 0; those of generated tokens follow the prompt's
  bool at_last = false;                    // also at the prompt's last position
  std::vector<PatchRange> heads = {};      // of attention and norm_qkv (queries, keys and values); none: all
  PatchSource source = PatchSource::zero;
  std::vector<int32_t> donor = {};  // tokens, for `from`
  float factor = 1;                 // for `scale` and `noise`
  uint64_t seed = 0;                // for `noise`

  // Without positions and at_last, all positions of the prompt are patched.
  bool at_all() const { return positions.empty() && !at_last; }
  bool is_in(int32_t layer) const;
};

// Throws Error for a patch that this model cannot have: a layer, a head or a token of the donor that it has not, a
// position beyond its context, layers of an operation that is in none, heads of one that has none, and a donor that is
// missing. The line says what was expected and found.
void check_patch(const Patch& patch, const ModelConfig& model);

// Throws Error for a donor with fewer tokens than the positions of the patch in a prompt of that many tokens ask for.
void check_donor(const Patch& patch, size_t prompt);

// What an operation wrote for a text, in some layers.
struct Recording {
  int32_t cols = 0;
  std::map<int32_t, std::vector<float>> layers;  // by layer, -1 outside of the layers: (positions, cols)
};

// A patch of one prompt, with its values. Copies share them.
class BoundPatch {
 public:
  // recording: of the donor, or of the prompt; may be null where the source needs none. length: tokens of the prompt.
  BoundPatch(Patch patch, const ModelConfig& model, std::shared_ptr<const Recording> recording, int32_t length);

  const Patch& patch() const { return patch_; }
  bool applies(Op op, int32_t layer, int32_t position) const;
  // Changes the row that belongs to a position to which it applies. row: (cols) of the operation.
  void apply(int32_t layer, int32_t position, std::span<float> row) const;
  // The same patch in one layer and at one position only. layer: -1 outside of the layers.
  BoundPatch only(int32_t layer, int32_t position) const;

 private:
  struct Statistics {
    std::vector<float> mean;  // (cols)
    double deviation = 0;
  };
  static Statistics statistics_of(const std::vector<float>& values, int32_t cols);
  void apply(int32_t layer, int32_t position, std::span<float> row, int32_t begin, int32_t end) const;

  Patch patch_;  // its positions are given in numbers
  int32_t C_, head_;
  std::shared_ptr<const Recording> recording_;
  std::shared_ptr<const std::map<int32_t, Statistics>> statistics_;
};

// Binds patches to prompts: runs donors and prompts through a session beforehand, to record what operations write for
// them. Nobody else may use the session meanwhile; slot 0 is used, and the session's tap is removed.
class PatchBinder {
 public:
  // session: opened with `limits`. Its context must hold the donors and, for `mean` and `noise`, the prompts. Both
  // outlive the object. check: called before each step; what it throws ends the work.
  PatchBinder(Session& session, const ModelConfig& model, const Limits& limits, std::function<void()> check = {})
      : session_(session), model_(model), limits_(limits), check_(std::move(check)) {}

  // Throws Error as check_patch() and check_donor() do, and for a session without taps.
  BoundPatch bind(const Patch& patch, std::span<const int32_t> prompt);

 private:
  std::shared_ptr<const Recording> record(const Patch& patch, std::span<const int32_t> tokens);

  Session& session_;
  const ModelConfig& model_;
  const Limits& limits_;
  std::function<void()> check_;
  struct Donor {
    Op op;
    std::vector<int32_t> tokens;
    std::vector<std::pair<int32_t, int32_t>> layers;
    auto operator<=>(const Donor&) const = default;
  };
  std::map<Donor, std::shared_ptr<const Recording>> donors_;  // those that were run
};

// Positions that a session must hold so that these patches can be bound to a prompt of `length` tokens.
int32_t context_of(std::span<const Patch> patches, int32_t length);

// The tap of a session until the end of the scope, for patches. Throws Error if the session has no taps.
class TapOfPatches {
 public:
  TapOfPatches(Session& session, Tap& tap) : session_(session) {
    if (!session_.tap(&tap)) fail("this precision has no taps, so nothing can be patched");
  }
  ~TapOfPatches() { session_.tap(nullptr); }
  TapOfPatches(const TapOfPatches&) = delete;
  TapOfPatches& operator=(const TapOfPatches&) = delete;

 private:
  Session& session_;
};

// The tap that patches.
class PatchTap final : public RowTap {
 public:
  // patches: all that can occur. patches_of: those of a sequence, in the order in which they are applied; valid during
  // the call.
  using PatchesOf = std::function<std::span<const BoundPatch>(uint64_t sequence)>;
  PatchTap(std::span<const Patch> patches, PatchesOf patches_of);

  bool wants(const char* op) const override;
  // Returns true if a patch applies to one of the rows, also where the values stay as they are.
  bool tensor(const char* op, int layer, float* values, int cols, std::span<const TensorRow> owners) override;

 private:
  std::set<Op> ops_;
  PatchesOf patches_of_;
};

}  // namespace gpt2run
