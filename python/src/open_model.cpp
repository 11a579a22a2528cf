#include "open_model.hpp"

#include <unistd.h>

#include <chrono>

#include "common/config/create.hpp"
#include "common/pipeline/memory_check.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::python {
namespace {

constexpr CoreOption kOwn[] = {{{"precision", "text", "fp32", "", "fp32, fp16, bf16, or a plugin's exact name"}}};
constexpr const char* kPrecision[] = {"precision"};

std::span<const CoreOption> model_options() {
  static const std::vector<CoreOption> options = evaluation_options(kOwn);
  return options;
}

}  // namespace

std::vector<std::string> arguments_of(const std::vector<Setting>& settings) {
  std::vector<std::string> arguments;
  for (const auto& [name, value] : settings) {
    arguments.push_back("--" + name + (value.empty() ? "" : "=" + value));
    if (value.empty()) arguments.emplace_back();
  }
  return arguments;
}

OpenModel::OpenModel(std::shared_ptr<PluginHost> host, const std::vector<Setting>& settings)
    : host_(std::move(host)),
      configuration_(model_options(), arguments_of(settings)),
      evaluation_(*host_, configuration_, kPrecision),
      process_(getpid()) {
  if (evaluation_.precisions().size() != 1)
    usage_error("precision: expected one, found ", evaluation_.precisions().size());
  precision_ = create<Precision>(evaluation_.precisions()[0]);
}

void OpenModel::open_session(int32_t batch, int32_t context) {
  if (batch < 1) usage_error("batch: expected 1 or more, found ", batch);
  if (context < 0 || context > config().T)
    usage_error("context: expected at most ", config().T, ", the model's, found ", context);
  if (context == 0) context = config().T;
  EngineOptions options;
  options.chunk = kPromptRows;
  limits_ = engine_limits(options, batch, context, false);
  limits_.logit_rows = batch + std::min(kLogitRows, context);
  limits_.keep_raw = true;
  limits_.threads = static_cast<int32_t>(configuration_.values().integer("threads"));
  limits_.device = static_cast<int32_t>(configuration_.values().integer("device"));
  check_memory(evaluation_.precisions()[0], evaluation_.checkpoint(), limits_);
  session_ = precision_->open(evaluation_.checkpoint(), limits_);
}

std::shared_ptr<OpenModel> OpenModel::open(const std::vector<Setting>& settings, int32_t batch, int32_t context) {
  std::shared_ptr<OpenModel> model;
  {
    LockedPlugins plugins = lock_plugins();
    model.reset(new OpenModel(std::move(plugins.host), settings), [](OpenModel* one) {
      if (one->process_ == getpid()) delete one;
    });
  }
  model->open_session(batch, context);
  return model;
}

std::pair<Shape, std::vector<float>> OpenModel::weight(const std::string& name, int32_t layer) const {
  std::string names;
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    names.append(w ? ", " : "").append(name_of(weight));
    if (name != name_of(weight)) continue;
    const int32_t layers = is_per_layer(weight) ? config().L : 1;
    if (layer < 0 || layer >= layers) fail("weight ", name, ": expected a layer in [0, ", layers, "), found ", layer);
    const Tensor tensor = evaluation_.checkpoint().tensor(weight, layer);
    std::vector<float> values;
    values.reserve(static_cast<size_t>(tensor.rows * tensor.cols));
    for (int64_t r = 0; r < tensor.rows; ++r)
      for (int64_t c = 0; c < tensor.cols; ++c) values.push_back(at(tensor, r, c));
    return {{tensor.rows, tensor.cols}, std::move(values)};
  }
  fail("weight: expected one of ", names, "; found ", in_quotes(name));
}

void OpenModel::check_process() const {
  if (getpid() != process_)
    fail("the model was opened in process ", process_, ", and this is process ", getpid(),
         ", which has none of its threads: open it again after fork()");
}

Use::Use(std::shared_ptr<OpenModel> model, bool is_stream, const Check& check) : model_(std::move(model)) {
  using namespace std::chrono_literals;
  model_->check_process();
  std::unique_lock lock(model_->mutex_);
  while (model_->is_used_) {
    if (model_->is_stream_) fail("a stream of this model is not finished: read it to its end, or call its close()");
    if (model_->user_ == std::this_thread::get_id())
      fail("the model is computing: its own samplers and taps cannot use it");
    model_->freed_.wait_for(lock, 50ms);
    lock.unlock();
    check();
    lock.lock();
  }
  model_->is_used_ = true, model_->is_stream_ = is_stream, model_->user_ = std::this_thread::get_id();
}

Use::~Use() {
  {
    const std::lock_guard lock(model_->mutex_);
    model_->is_used_ = model_->is_stream_ = false;
  }
  model_->freed_.notify_all();
}

}  // namespace gpt2run::python
