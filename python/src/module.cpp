// The extension module gpt2run._gpt2run: plugins, models and evaluation. The classes that a user sees are in Python,
// and check what they are given; this only converts.
#include "module.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "evaluate.hpp"
#include "gpt2run/evaluation/statistics.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/usage_error.hpp"
#include "library.hpp"
#include "open_model.hpp"
#include "python_lock.hpp"

namespace gpt2run::python {
namespace {

namespace nb = nanobind;

struct ErrorTypes {
  PyObject *error = nullptr, *usage_error = nullptr;
};
ErrorTypes error_types;  // live as long as the process

void set_error(PyObject* type, const char* text) {
  const std::string line = printable(text);
  PyErr_SetString(type, line.c_str());
}

void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const UsageError& error) {
    set_error(error_types.usage_error, error.what());
  } catch (const Error& error) {
    set_error(error_types.error, error.what());
  }
}

void bind_errors(nb::module_& m) {
  error_types.error = PyErr_NewExceptionWithDoc(
      "gpt2run.Error", "What went wrong, where, what was expected and what was found, in one line.", PyExc_RuntimeError,
      nullptr);
  const nb::object bases = nb::make_tuple(nb::handle(error_types.error), nb::handle(PyExc_ValueError));
  error_types.usage_error = PyErr_NewExceptionWithDoc(
      "gpt2run.UsageError", "An option that is unknown, or a value that it does not allow.", bases.ptr(), nullptr);
  m.attr("Error") = nb::handle(error_types.error);
  m.attr("UsageError") = nb::handle(error_types.usage_error);
  nb::register_exception_translator(translate);
}

nb::dict described(const PluginFacts& facts) {
  nb::dict plugin;
  plugin["kind"] = facts.kind, plugin["name"] = facts.name, plugin["space"] = facts.space;
  plugin["file"] = facts.file, plugin["refusal"] = facts.refusal, plugin["version"] = facts.version;
  plugin["summary"] = facts.summary, plugin["selects"] = facts.selects, plugin["runs"] = facts.score > 0;
  plugin["reason"] = facts.reason;
  nb::list options;
  for (const OptionSpec& spec : facts.options) {
    nb::dict option;
    option["name"] = spec.key, option["type"] = spec.type, option["default"] = spec.fallback;
    option["range"] = spec.range, option["help"] = spec.help;
    options.append(option);
  }
  plugin["options"] = options;
  return plugin;
}

void bind_library(nb::module_& m) {
  m.def("set_up", [](const std::string& folder) { set_up(folder); });
  m.def("take_log", [] {
    nb::list lines;
    for (const LogLine& line : take_log()) lines.append(nb::make_tuple(line.level, line.text));
    return lines;
  });
  m.def("add_plugin_folder", [](const std::string& folder) {
    const WithoutLock waiting;  // for a thread that loads a model
    add_plugin_folder(folder);
  });
  m.def("plugins", [] {
    std::vector<PluginFacts> all;
    {
      const WithoutLock computing;
      all = list_plugins();
    }
    nb::list plugins;
    for (const PluginFacts& facts : all) plugins.append(described(facts));
    return plugins;
  });
  m.def("shut_down", shut_down);
  m.def("forget_threads", forget_threads);
}

nb::dict described(const ModelConfig& config) {
  nb::dict values;
  values["layers"] = config.L, values["heads"] = config.H, values["channels"] = config.C;
  values["mlp"] = config.F, values["vocabulary"] = config.V, values["context"] = config.T;
  values["end_of_text"] = config.end_of_text, values["start_of_text"] = config.start_of_text;
  values["epsilon"] = config.epsilon, values["activation"] = name_of(config.activation);
  values["tied_head"] = config.tied_head;
  return values;
}

nb::dict described(const Traits& traits) {
  nb::dict values;
  values["run"] = traits.run, values["threads"] = traits.threads, values["batch"] = traits.batch;
  values["prefill"] = traits.prefill, values["order"] = traits.order, values["machine"] = traits.machine;
  values["contract"] = traits.contract, values["step_bytes"] = traits.step_bytes;
  return values;
}

const Tokenizer& tokenizer_of(const Model& model) {
  if (!model.open->tokenizer()) fail("the model has no tokenizer: token ids only");
  return *model.open->tokenizer();
}

nb::bytes bytes_of(std::string_view text) { return nb::bytes(text.data(), text.size()); }

void bind_model(nb::module_& m) {
  nb::class_<Model>(m, "Model")
      .def_prop_ro("config", [](const Model& model) { return described(model.open->config()); })
      .def_prop_ro("traits", [](const Model& model) { return described(model.open->session().traits()); })
      .def_prop_ro("path", [](const Model& model) { return bytes_of(model.open->path()); })
      .def_prop_ro("precision", [](const Model& model) { return model.open->precision(); })
      .def_prop_ro("batch", [](const Model& model) { return model.open->limits().slots; })
      .def_prop_ro("context", [](const Model& model) { return model.open->limits().context; })
      .def_prop_ro("has_tokenizer", [](const Model& model) { return model.open->tokenizer() != nullptr; })
      .def("encode",
           [](const Model& model, const nb::bytes& text, bool special) {
             return tokenizer_of(model).encode({text.c_str(), text.size()}, special);
           })
      .def("decode", [](const Model& model,
                        const std::vector<int32_t>& ids) { return bytes_of(tokenizer_of(model).decode(ids)); })
      .def("piece", [](const Model& model, int32_t id) { return bytes_of(tokenizer_of(model).piece(id)); })
      .def("tokens", [](const Model& model) { return tokenizer_of(model).size(); })
      .def("end_of_text", [](const Model& model) { return tokenizer_of(model).end_of_text(); });
  m.def("open_model", [](const std::vector<Setting>& settings, int32_t batch, int32_t context) {
    const WithoutLock computing;
    return Model{OpenModel::open(settings, batch, context)};
  });
}

nb::object weight_of(const Model& model, const std::string& name, int32_t layer) {
  std::pair<Shape, std::vector<float>> found;
  {
    const WithoutLock computing;
    found = model.open->weight(name, layer);
  }
  std::vector<size_t> shape = {static_cast<size_t>(found.first.rows)};
  if (found.first.cols > 1) shape.push_back(static_cast<size_t>(found.first.cols));
  return to_array(std::move(found.second), std::move(shape));
}

nb::tuple measure_perplexity(const Model& model, const std::vector<std::vector<int32_t>>& texts,
                             const std::string& protocol, int32_t max_length, int32_t stride) {
  PerplexityResult result;
  {
    const WithoutLock computing;
    result = perplexity(model.open, texts, protocol, max_length, stride, check_signals);
  }
  return nb::make_tuple(result.mean, result.standard_error, result.batch_standard_error, result.nll.size(),
                        result.bytes);
}

// The columns of a comparison by their names, target by target, test after test.
nb::dict columns_of(const std::vector<std::vector<ComparedTarget>>& tests) {
  std::vector<const ComparedTarget*> all;
  std::vector<int32_t> test;
  for (size_t t = 0; t < tests.size(); ++t)
    for (const ComparedTarget& target : tests[t]) all.push_back(&target), test.push_back(static_cast<int32_t>(t));
  nb::dict columns;
  const auto add = [&]<class Value>(const char* name, Value (*value)(const ComparedTarget&)) {
    std::vector<Value> column;
    for (const ComparedTarget* target : all) column.push_back(value(*target));
    columns[name] = to_array(std::move(column));
  };
  columns["test"] = to_array(std::move(test));
  add(
      "text", +[](const ComparedTarget& one) { return one.text; });
  add(
      "position", +[](const ComparedTarget& one) { return one.position; });
  add(
      "row", +[](const ComparedTarget& one) { return one.row; });
  add(
      "token", +[](const ComparedTarget& one) { return one.token; });
  for (int i = 0; i < kMetrics; ++i) {
    const auto metric = static_cast<Metric>(i);
    std::vector<double> column;
    for (const ComparedTarget* target : all) column.push_back(target->divergence[metric]);
    columns[std::string(spec_of(metric).name).c_str()] = to_array(std::move(column));
  }
  add(
      "entropy", +[](const ComparedTarget& one) { return one.divergence.entropy; });
  add(
      "margin", +[](const ComparedTarget& one) { return one.divergence.margin; });
  add(
      "ref_token", +[](const ComparedTarget& one) { return one.divergence.ref_token; });
  add(
      "test_token", +[](const ComparedTarget& one) { return one.divergence.test_token; });
  add(
      "ref_logprob", +[](const ComparedTarget& one) { return one.divergence.ref_logprob; });
  add(
      "test_logprob", +[](const ComparedTarget& one) { return one.divergence.test_logprob; });
  return columns;
}

nb::dict compare_models(const Model& reference, const std::vector<Model>& tests,
                        const std::vector<std::vector<int32_t>>& texts, int32_t window, int64_t limit, int32_t top_k) {
  std::vector<std::vector<ComparedTarget>> found;
  {
    const WithoutLock computing;
    std::vector<std::shared_ptr<OpenModel>> open;
    for (const Model& test : tests) open.push_back(test.open);
    found = compare(reference.open, open, texts, {window, limit, top_k}, check_signals);
  }
  return columns_of(found);
}

}  // namespace

NB_MODULE(_gpt2run, m) {
  nb::set_leak_warnings(false);  // they would be printed at exit
  bind_errors(m);
  bind_library(m);
  bind_model(m);
  bind_runs(m);
  m.def("weight", weight_of);
  m.def("perplexity", measure_perplexity);
  m.def("compare", compare_models);
  m.def("standard_error", [](const std::vector<double>& values) { return standard_error_of(values); });
  m.def("batch_standard_error", [](const std::vector<double>& values) { return batch_standard_error_of(values); });
  m.attr("metrics") = [] {
    nb::dict metrics;
    for (int i = 0; i < kMetrics; ++i) {
      const MetricSpec spec = spec_of(static_cast<Metric>(i));
      metrics[std::string(spec.name).c_str()] = std::string(spec.unit);
    }
    return metrics;
  }();
  m.attr("version") = GPT2RUN_VERSION;
}

}  // namespace gpt2run::python
