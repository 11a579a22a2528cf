// The comparison of evaluate.hpp. It is a source of its own, because texts are cut into windows differently here.
#include <algorithm>
#include <deque>
#include <functional>

#include "common/evaluation/lockstep.hpp"
#include "evaluate.hpp"

namespace gpt2run::python {
namespace {

using Models = std::vector<std::shared_ptr<OpenModel>>;  // the reference first

// Has the sessions of all models. They are taken in one order, so that two comparisons never wait for each other.
std::deque<Use> uses_of(Models models, const Check& check) {
  std::ranges::sort(models, std::less<>());
  if (std::ranges::adjacent_find(models) != models.end())
    fail("compare: expected different models, found one twice: load it a second time");
  std::deque<Use> uses;
  for (const auto& model : models) uses.emplace_back(model, false, check);
  return uses;
}

int32_t common_context(const Models& models) {
  int32_t context = models[0]->limits().context;
  for (const auto& model : models) {
    context = std::min(context, model->limits().context);
    if (model->config().V != models[0]->config().V)
      fail("compare: expected a vocabulary of ", models[0]->config().V, " tokens, that of the reference, found ",
           model->config().V, " of ", model->path());
  }
  return context;
}

std::vector<Window> cut(const std::vector<std::vector<int32_t>>& texts, int32_t context,
                        const CompareOptions& options) {
  if (options.window < 0 || options.window > context)
    usage_error("window: expected at most ", context, ", the context, found ", options.window);
  if (options.limit < 0) usage_error("limit: expected 0 or more, found ", options.limit);
  std::vector<Prompt> prompts;
  for (const std::vector<int32_t>& ids : texts) prompts.push_back({"", ids});
  std::vector<Window> windows = windows_of(prompts, options.window > 0 ? options.window : context, options.limit);
  if (targets_of(windows) == 0) fail("expected a text of at least 2 tokens to compare on, found none");
  return windows;
}

}  // namespace

std::vector<std::vector<ComparedTarget>> compare(const std::shared_ptr<OpenModel>& reference, const Models& tests,
                                                 const std::vector<std::vector<int32_t>>& texts,
                                                 const CompareOptions& options, const Check& check) {
  if (tests.empty()) fail("compare: expected at least one model to compare with the reference, found none");
  Models models = {reference};
  models.insert(models.end(), tests.begin(), tests.end());
  const std::vector<Window> windows = cut(texts, common_context(models), options);
  const std::deque<Use> uses = uses_of(models, check);
  const auto reader = [](OpenModel& model) {
    return RowReader(model.precision(), model.session(), std::min(kLogitRows, model.limits().logit_rows));
  };
  RowReader ref = reader(*reference);
  std::vector<RowReader> readers;
  for (const auto& test : tests) readers.push_back(reader(*test));
  DivergenceMeter meter(options.top_k);
  std::vector<std::vector<ComparedTarget>> found(tests.size());
  for (size_t w = 0; w < windows.size(); ++w)
    gpt2run::compare(ref, readers, windows[w], w, meter,
                     [&](size_t test, const TargetPosition& place, const RowDivergence& row) {
                       const int32_t token = texts[place.text][place.position];
                       found[test].push_back({place.text, place.position, place.row, token, row});
                       check();
                     });
  return found;
}

}  // namespace gpt2run::python
