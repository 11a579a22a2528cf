#include "gpt2serve/model_set.hpp"

#include <algorithm>

#include "common/config/create.hpp"
#include "common/evaluation/contracts.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2serve/api_error.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr const char* kPrecisions[] = {"precision"};
constexpr int32_t kFloorContext = 512;  // the longest text of a comparison

// Whether two names stand for one precision.
bool is_same(const BoundPlugin& a, const BoundPlugin& b) {
  return a.plugin == b.plugin && std::ranges::all_of(a.values.specs(), [&](const OptionSpec& option) {
           return a.values.shown(option.key) == b.values.shown(option.key);
         });
}

}  // namespace

ModelSet::ModelSet(PluginHost& host, Configuration& configuration, const ServeOptions& options, Metrics& metrics)
    : evaluation_(host, configuration, kPrecisions), catalog_(host, config()) {
  const int32_t longest = config().T;
  if (options.context > longest)
    usage_error("--context: expected at most ", longest, ", the model's context, found ", options.context);
  context_ = options.context > 0 ? options.context : longest;
  if (options.max_prompt > context_)
    usage_error("--max_prompt: expected at most ", context_, ", the context, found ", options.max_prompt);
  most_prompt_ = options.max_prompt > 0 ? options.max_prompt : context_;
  open(host, options);
  for (const auto& model : models_) {
    const bool is_floor = model->id.empty();
    const int64_t most_live = model->limits.slots + (is_floor ? 1 : options.queue);
    ModelMetrics& counted = metrics.add(is_floor ? "floor of " + model->instance.name : model->id, model->limits.slots);
    (is_floor ? floors_ : engines_)
        .push_back(std::make_unique<ModelEngine>(*model, config(), tokenizer(), catalog_,
                                                 thread_of(model->bound.plugin->space), counted, most_live));
  }
  for (const auto& [space, thread] : threads_) thread->start();
}

ServedModel& ModelSet::add_model(const std::string& id, const BoundPlugin& bound, const SessionPlan& plan) {
  models_.push_back(std::make_unique<ServedModel>(ServedModel{id, bound, {}, {}, {}}));
  ServedModel& model = *models_.back();
  model.instance = create_instance(model.bound, evaluation_.checkpoint());
  plan_engine(model, plan);
  return model;
}

// Creates all precisions and tells their memory before the first one is opened. The contract of an open session tells
// which `reference` belongs to it.
void ModelSet::open(PluginHost& host, const ServeOptions& options) {
  const std::span<const BoundPlugin> precisions = evaluation_.precisions();
  if (precisions.size() > kMostModels)
    usage_error("--precision: expected at most ", kMostModels, ", found ", precisions.size());
  const SessionPlan plan{options.slots, context_, options.threads, options.device};
  for (const BoundPlugin& given : precisions) {
    const std::string id = to_text(given.spec);
    const BoundPlugin bound = with_server_defaults(given);
    for (const auto& other : models_)
      if (other->id == id || is_same(other->bound, bound))
        usage_error("--precision: ", id, " is given twice", other->id == id ? "" : ", also as " + other->id);
    add_model(id, bound, plan);
  }
  announce_memory(models_, evaluation_.checkpoint());
  for (const auto& model : models_) open_session(*model, evaluation_.checkpoint());
  if (options.floor) open_floors(host, {1, std::min(context_, kFloorContext), options.threads, options.device});
}

// One for each contract. They come after the precisions, and their memory is told before the first one is opened.
void ModelSet::open_floors(PluginHost& host, const SessionPlan& plan) {
  const size_t count = models_.size();
  std::vector<std::string> contracts;
  for (size_t i = 0; i < count; ++i) {
    const std::string contract = contract_of(models_[i]->instance);
    if (is_reference(models_[i]->bound)) {
      log_warning("--floor: " + models_[i]->id + " has none, since `reference` would be measured against itself");
    } else if (contract.empty()) {
      log_warning("--floor: " + models_[i]->id + " has none, since `reference` does not compute its contract");
    } else if (std::ranges::find(contracts, contract) == contracts.end()) {
      contracts.push_back(contract);
      add_model("", reference_with(host, contract, "--floor"), plan);
    }
  }
  if (contracts.empty()) return;
  announce_memory(models_, evaluation_.checkpoint(), count);
  for (size_t i = count; i < models_.size(); ++i) open_session(*models_[i], evaluation_.checkpoint());
}

EngineThread& ModelSet::thread_of(Space space) {
  for (const auto& [known, thread] : threads_)
    if (known == space) return *thread;
  return *threads_.emplace_back(space, std::make_unique<EngineThread>()).second;
}

ModelEngine& ModelSet::find(const std::string& name, const std::string& field) const {
  if (name.empty()) return *engines_.front();
  for (const auto& engine : engines_)
    if (engine->model().id == name) return *engine;
  for (const auto& engine : engines_)
    if (engine->model().instance.name == name || engine->model().bound.plugin->name == name) return *engine;
  std::string names;
  for (const auto& engine : engines_) names.append(names.empty() ? "" : ", ").append(engine->model().id);
  throw ApiError(404, "model_not_found", field, field + ": expected one of " + names + ", found " + in_quotes(name));
}

ModelEngine* ModelSet::floor_of(const ModelEngine& engine) const {
  if (is_reference(engine.model().bound)) return nullptr;
  const std::string contract = contract_of(engine.model().instance);
  for (const auto& floor : floors_)
    if (contract_of(floor->model().instance) == contract) return floor.get();
  return nullptr;
}

void check_length(const std::string& field, size_t tokens, int64_t most) {
  if (std::cmp_less_equal(tokens, most)) return;
  throw ApiError(400, "context_length_exceeded", field,
                 field + ": expected at most " + std::to_string(most) + " tokens, found " + std::to_string(tokens));
}

std::vector<int32_t> ModelSet::encoded(const std::string& text, const std::string& field, bool special) const {
  if (!tokenizer()) refuse(field, "the model has no tokenizer; give token ids");
  try {
    return tokenizer()->encode(text, special);
  } catch (const Error& error) {
    refuse(field, error.what());
  }
}

std::vector<int32_t> ModelSet::input(const Fields& fields, const std::string& field, int32_t least,
                                     int32_t most) const {
  const std::optional<json::Value> given = fields.find(field);
  if (!given) refuse(field, "expected a text or a list of token ids, found none");
  const std::optional<std::string_view> text = given->as_text();
  if (!text && given->type() != json::Type::list)
    refuse(field, "expected a text or a list of token ids, found ", given->description());
  const std::vector<int32_t> tokens =
      text ? encoded(std::string(*text), field) : ids_of(*given, field, SIZE_MAX, config().V);
  if (std::ssize(tokens) < least) refuse(field, "expected at least ", least, " tokens, found ", tokens.size());
  check_length(field, tokens.size(), most);
  return tokens;
}

std::string ModelSet::piece(int32_t id) const {
  if (!tokenizer() || id >= tokenizer()->size()) return "";
  const std::string_view bytes = tokenizer()->piece(id);
  if (is_utf8(bytes)) return std::string(bytes);
  constexpr char kHex[] = "0123456789abcdef";
  std::string text = "bytes:";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.append("\\x").append({kHex[byte >> 4], kHex[byte & 15]});
  }
  return text;
}

bool ModelSet::is_failed() const {
  const auto failed = [](const auto& engine) { return engine->is_failed(); };
  return std::ranges::any_of(engines_, failed) || std::ranges::any_of(floors_, failed);
}

int64_t ModelSet::live() const {
  int64_t live = 0;
  for (const auto* all : {&engines_, &floors_})
    for (const auto& engine : *all) live += engine->live();
  return live;
}

void ModelSet::cancel_all() {
  is_ending_ = true;
  for (const auto* all : {&engines_, &floors_})
    for (const auto& engine : *all) engine->thread().post([one = engine.get()] { one->cancel_all(); });
}

void ModelSet::stop() {
  for (const auto& [space, thread] : threads_) thread->stop();
  long_answers_->stop();
}

}  // namespace gpt2run
