// What patches do to a model's answer: each text is read with and without them, by the same precision. A sweep patches
// one layer and one position after the other, and shows which of them carry the answer.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "common/evaluation/instances.hpp"
#include "common/ranks/ranks.hpp"
#include "gpt2compare/patched_feed.hpp"

namespace gpt2run {

// A token that may be the answer, by what the model expects after the last token of a text.
struct Chances {
  double logit, logprob;
  int64_t rank;  // 1 for the most likely token; equal ones by id
};
struct AnswerChange {
  int32_t token;
  Chances before, after;  // without and with the patches
};

// What a patch has changed of what the model expects after one position of a text.
struct PatchedPosition {
  int32_t position, token;        // the token at this position
  double kl;                      // KL(unpatched || patched), in nats
  int32_t top_before, top_after;  // the most likely next tokens
};

struct PatchedText {
  int32_t first_patched;  // the first position that a patch names
  std::vector<PatchedPosition> positions;
  std::vector<AnswerChange> answers;
};

// The values of a sweep's operation: (layers, positions). An operation in no layer has one row, of layer -1.
struct SweepMap {
  Op op;
  std::vector<int32_t> layers;
  std::vector<int32_t> positions;
  std::vector<double> values;   // of the metric
  std::vector<double> effects;  // see Sweep
};

// The metric is the difference of the logits of two answers, the first minus the second, or the probability of the
// only answer, after the text's last token. corrupted: of the text, with the patches of --patch. clean: of the donor as
// it is. With a donor, an effect is (value - corrupted) / (clean - corrupted): 0 changes nothing, and 1 restores all.
// Without one, it is value - corrupted.
struct Sweep {
  std::string text;  // as it was given
  std::vector<int32_t> answers;
  std::optional<double> clean;  // none without a donor
  double corrupted = 0;
  std::vector<SweepMap> maps;
};

struct Patching {
  std::string precision;
  std::vector<std::string> patches;  // as they were given
  std::vector<Prompt> texts;
  const Tokenizer* tokenizer = nullptr;
  std::vector<PatchedText> patched;  // by text; empty without patches
  std::optional<Sweep> sweep;
  std::string manifest;  // as JSON
};

// The program's run with --patch or --patch_sweep. Used by one thread at a time.
class PatchingRun {
 public:
  // Opens the model and reads texts, patches and answers. Throws UsageError or Error.
  PatchingRun(PluginHost& host, Configuration& configuration, Ranks& ranks);

  // Throws Error, also after an interrupt.
  void run();

  const Patching& result() const { return result_; }

 private:
  void read_answers(const Configuration& configuration);
  void read_sweep(const Configuration& configuration);
  void open();
  PatchBinder binder();
  PatchedText compare(const Prompt& text);
  void sweep();
  void read_ends(std::span<const BoundPatch> base);
  std::vector<float> last_logits(const FedText& text);
  double metric(std::span<const float> logits) const;
  Manifest manifest() const;

  const Configuration& configuration_;
  Ranks& ranks_;
  Evaluation evaluation_;
  std::vector<Patch> patches_, swept_;  // of --patch, and of --patch_sweep for each operation
  std::vector<Patch> all_;              // both
  std::vector<int32_t> answers_;
  Instance instance_;
  Limits limits_{};
  std::optional<PatchedFeed> feed_;
  Patching result_;
};

// Tables for a terminal of that width, and everything as JSON, in the format of docs/formats.md.
std::string to_table(const Patching& patching, int width);
std::string to_json(const Patching& patching);

}  // namespace gpt2run
