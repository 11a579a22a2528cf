// A precision that declares all Traits and breaks one promise, chosen by BREACH. The conformance kit must notice each.
#include "gpt2run/sdk/reference.hpp"

namespace {

enum Breach { none, drifts, sees_neighbours, sees_chunks };

struct Breaker : gpt2run::ReferenceOps {
  using ReferenceOps::ReferenceOps;
  float round(gpt2run::Point, float x) const override { return x; }

  void norm_logits(const Weights::Head& w, State& s, const Step& step) const {
    ReferenceOps::norm_logits(w, s, step);
    static int calls = 0;
    const size_t rows = step.rows.size();
    const bool is_shared = step.rows.front().slot != step.rows.back().slot;
    const bool breaks = (BREACH == drifts && ++calls % 7 == 0) || (BREACH == sees_neighbours && is_shared) ||
                        (BREACH == sees_chunks && !is_shared && rows == 2);
    for (size_t i = 0; breaks && i < step.logit_rows.size(); ++i) s.logits[i * s.stride] += 0.125f;
  }
};

}  // namespace

GPT2RUN_PLUGIN = gpt2run::precision_plugin<Breaker>(FIXTURE_NAME, "breaks one promise");
