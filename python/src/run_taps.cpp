#include "run_taps.hpp"

#include "common/pipeline/patches.hpp"

namespace gpt2run::python {

Patch parse_patch(const OpenModel& model, const std::string& text, const std::string& origin) {
  return gpt2run::parse_patch(text, origin, {model.tokenizer(), true}, model.config());
}

void check_length(const OpenModel& model, const std::vector<int32_t>& ids) {
  const int64_t length = std::ssize(ids), context = std::min<int64_t>(model.config().T, model.limits().context);
  if (length > context) fail("the request has ", length, " tokens, the context holds ", context);
}

RunTaps::RunTaps(OpenModel& model, Inside inside, const std::vector<std::vector<int32_t>>& prompts, uint64_t samples,
                 int64_t longest, const Check& check)
    : inside_(std::move(inside)), samples_(samples), patch_tap_(inside_.patches, [this](uint64_t sequence) {
        return std::span<const BoundPatch>(bound_[sequence / samples_]);
      }) {
  for (const std::vector<int32_t>& ids : prompts) check_length(model, ids);
  std::vector<Prompt> texts;
  for (const std::vector<int32_t>& ids : prompts) texts.push_back({"", ids});
  for (size_t i = 0; i < inside_.patches.size(); ++i)
    check_patch_on_prompts(inside_.patches[i], texts, longest, patch_origin("patch", i, inside_.patches.size()));
  PatchBinder binder(model.session(), model.config(), model.limits(), check);
  for (const std::vector<int32_t>& ids : prompts) {
    bound_.emplace_back();
    for (const Patch& patch : inside_.patches) bound_.back().push_back(binder.bind(patch, ids));
  }
  if (inside_.store) inside_.store->clear();
}

void RunTaps::attach(Engine& engine, std::function<uint64_t(RequestId)> sequence_of) {
  if (empty()) return;
  taps_.emplace(engine, std::move(sequence_of));
  if (!inside_.patches.empty()) taps_->add(&patch_tap_);
  if (inside_.tap) taps_->add(inside_.tap);
  if (inside_.store) taps_->add(inside_.store.get());
  if (!engine.tap(&*taps_)) fail("this precision has no taps");
}

}  // namespace gpt2run::python
