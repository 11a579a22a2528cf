// The part of the extension module that runs texts: completions, scores and taps.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "inside.hpp"
#include "module.hpp"
#include "python_lock.hpp"
#include "run.hpp"

namespace gpt2run::python {
namespace {

namespace nb = nanobind;

// An object of Python that may be let go by a thread without the lock.
struct Held {
  explicit Held(nb::object one) : object(std::move(one)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    const nb::gil_scoped_acquire lock;
    object.reset();
  }

  nb::object object;
};

// Calls function(logits, tokens, seed, sequence, position) with copies, which Python may keep. Changed logits are
// written back. Returns the function's token, or kNone for None. Throws TypeError where the logits are no longer
// float32 (V).
SampleRow sample_row(const std::string& name, nb::object function) {
  auto held = std::make_shared<Held>(std::move(function));
  return [name, held](std::span<float> logits, std::span<const int32_t> tokens, const RowKey& key) -> int32_t {
    const nb::gil_scoped_acquire lock;
    const nb::object row = to_array(std::vector<float>(logits.begin(), logits.end()));
    const float* values = nb::cast<nb::ndarray<float>>(row).data();
    const nb::object before = to_array(std::vector<int32_t>(tokens.begin(), tokens.end()));
    const nb::object token = held->object(row, before, key.seed, key.sequence, key.position + key.shift);
    nb::ndarray<const float, nb::ndim<1>, nb::c_contig> changed;
    if (!nb::try_cast(row, changed, false) || changed.data() != values || changed.size() != logits.size())
      throw nb::type_error((name + ": it changed the type or the shape of its logits").c_str());
    std::copy_n(values, logits.size(), logits.begin());
    return token.is_none() ? kNone : nb::cast<int32_t>(token);
  };
}

// items: text, and pairs of a name and a function.
std::vector<ChainItem> chain_items(const nb::list& items) {
  std::vector<ChainItem> chain;
  for (const nb::handle item : items) {
    if (nb::isinstance<nb::str>(item)) {
      chain.emplace_back(nb::cast<std::string>(item));
    } else {
      const auto pair = nb::cast<std::pair<std::string, nb::object>>(item);
      chain.emplace_back(NamedFunction{pair.first, sample_row(pair.first, pair.second)});
    }
  }
  return chain;
}

std::unique_ptr<Run> open_run(const Model& model, bool is_stream, const std::vector<std::vector<int32_t>>& prompts,
                              const RunOptions& options, const nb::list& sampler, const std::vector<Setting>& settings,
                              const std::vector<Patch>& patches, const std::shared_ptr<TapStore>& tap) {
  const std::vector<ChainItem> items = chain_items(sampler);
  const WithoutLock computing;
  return std::make_unique<Run>(model.open, is_stream, prompts, options, items, settings, Inside{patches, tap},
                               check_signals);
}

// (whether it goes on, the bytes that were released)
nb::tuple advance(Run& run) {
  Progress progress;
  {
    const WithoutLock computing;
    progress = run.advance();
  }
  return nb::make_tuple(progress.goes_on, nb::bytes(progress.text.data(), progress.text.size()));
}

nb::list finished(Run& run) {
  {
    const WithoutLock computing;
    while (run.advance().goes_on) {
    }
  }
  nb::list results;
  for (const Completion& one : run.completions())
    results.append(nb::make_tuple(nb::bytes(one.text.data(), one.text.size()), to_array(one.tokens),
                                  to_array(one.logprobs), name_of(one.reason)));
  return results;
}

nb::tuple score_text(const Model& model, const std::vector<int32_t>& ids, bool wants_logits,
                     const std::vector<Patch>& patches, const std::shared_ptr<TapStore>& tap) {
  Scores scores;
  {
    const WithoutLock computing;
    scores = score(model.open, ids, wants_logits, {patches, tap}, check_signals);
  }
  const auto vocabulary = static_cast<size_t>(model.open->config().V);
  const nb::object logits =
      wants_logits ? to_array(std::move(scores.logits), {ids.size(), vocabulary}) : nb::object(nb::none());
  return nb::make_tuple(logits, to_array(std::move(scores.logprobs)));
}

// {(op, layer): (values (rows, cols), sequences (rows), positions (rows))}
nb::dict tensors_of(const TapStore& store) {
  nb::dict all;
  for (auto& [key, tensor] : store.tensors()) {
    std::vector<int64_t> sequences;
    std::vector<int32_t> positions;
    for (const TensorRow& row : tensor.rows)
      sequences.push_back(static_cast<int64_t>(row.sequence)), positions.push_back(row.position);
    all[nb::make_tuple(key.first, key.second)] =
        nb::make_tuple(to_array(std::move(tensor.values), {tensor.rows.size(), static_cast<size_t>(tensor.cols)}),
                       to_array(std::move(sequences)), to_array(std::move(positions)));
  }
  return all;
}

// (tokens (L + 1, T, K), probabilities (L + 1, T, K), final (T), final_probability (L + 1, T), final_rank (L + 1, T))
nb::tuple lens_of(const Model& model, const std::vector<int32_t>& ids, int32_t top, const std::vector<Patch>& patches,
                  const std::shared_ptr<TapStore>& tap) {
  LensArrays found;
  {
    const WithoutLock computing;
    found = lens(model.open, ids, top, {patches, tap}, check_signals);
  }
  const size_t states = static_cast<size_t>(model.open->config().L) + 1, K = static_cast<size_t>(top);
  return nb::make_tuple(to_array(std::move(found.tokens), {states, ids.size(), K}),
                        to_array(std::move(found.probabilities), {states, ids.size(), K}),
                        to_array(std::move(found.final)),
                        to_array(std::move(found.final_probability), {states, ids.size()}),
                        to_array(std::move(found.final_rank), {states, ids.size()}));
}

// (layers, H, T, T)
nb::object attention_of(const Model& model, const std::vector<int32_t>& ids, const std::vector<int32_t>& layers,
                        const std::vector<Patch>& patches, const std::shared_ptr<TapStore>& tap) {
  std::vector<float> found;
  {
    const WithoutLock computing;
    found = attention(model.open, ids, layers, {patches, tap}, check_signals);
  }
  const auto heads = static_cast<size_t>(model.open->config().H);
  return to_array(std::move(found), {layers.size(), heads, ids.size(), ids.size()});
}

}  // namespace

void bind_runs(nb::module_& m) {
  nb::class_<RunOptions>(m, "RunOptions")
      .def(nb::init<>())
      .def_rw("max_new", &RunOptions::max_new)
      .def_rw("samples", &RunOptions::samples)
      .def_rw("seed", &RunOptions::seed)
      .def_rw("context_shift", &RunOptions::context_shift)
      .def_rw("ignore_eos", &RunOptions::ignore_eos)
      .def_rw("logprobs", &RunOptions::logprobs)
      .def_rw("stops", &RunOptions::stops);
  nb::class_<TapStore>(m, "TapStore")
      .def(nb::init<std::set<std::string>, std::set<int32_t>>())
      .def("tensors", tensors_of);
  nb::class_<Patch>(m, "Patch");
  m.def("parse_patch", [](const Model& model, const std::string& text, const std::string& origin) {
    return parse_patch(*model.open, text, origin);
  });
  nb::class_<Run>(m, "Run").def("step", advance).def("close", &Run::close).def("finished", finished);
  m.def("open_run", open_run, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
        nb::arg().none());
  m.def("lens", lens_of, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
  m.def("attention", attention_of, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
  m.def("score", score_text, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
}

}  // namespace gpt2run::python
