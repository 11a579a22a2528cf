#include "gpt2serve/sampler_plan.hpp"

#include <algorithm>
#include <mutex>

#include "common/config/create.hpp"
#include "common/pipeline/choice.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/json_text.hpp"
#include "gpt2serve/api_error.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr size_t kMostSamplers = 16;
constexpr char kSelector[] = "nucleus";

constexpr SelectSpec kDefaults;  // of a request, which are those of OpenAI

std::mutex creating;  // a plugin creates objects for one thread at a time

std::string text_of_number(double value) {
  std::string text;
  append_number(text, value);
  return text;
}
std::string text_of_number(int64_t value) { return std::to_string(value); }

bool has_option(const PluginSpec& spec, std::string_view key) {
  return std::ranges::any_of(spec.options, [&](const auto& one) { return one.first == key; });
}

// Sets an option of the sampler that picks to the request's number, or to the server's default. What the chain itself
// says wins.
template <class Number>
void set_number(BoundPlugin& last, const char* field, const char* key, std::optional<Number> given, Number fallback) {
  if (!last.values.declares(key)) {
    if (given) refuse(field, "the sampler ", last.plugin->name, " has no option ", key);
    return;
  }
  if (has_option(last.spec, key)) return;
  const std::string text = text_of_number(given.value_or(fallback));
  last.values.set(key, text, field);
  last.spec.options.emplace_back(key, text);
}

PluginSpec bias_spec(const std::vector<std::pair<int32_t, double>>& biases) {
  std::string text;
  for (const auto& [id, bias] : biases)
    text.append(text.empty() ? "" : " ").append(std::to_string(id)).append("=").append(text_of_number(bias));
  return {"logit-bias", {{"bias", text}}};
}

// Sets the options that the chain's text has.
void set_own(BoundPlugin& one) {
  for (const auto& [key, value] : one.spec.options) {
    const std::string origin = one.spec.name + ":" + key;
    if (!one.values.declares(key)) refuse("sampler", "the sampler ", one.spec.name, " has no option ", in_quotes(key));
    if (value.find('\0') != std::string::npos) refuse("sampler", origin, ": expected a text without zero bytes");
    one.values.set(key, value, origin);
  }
}

void check_order(const std::vector<BoundPlugin>& chain) {
  for (size_t i = 0; i + 1 < chain.size(); ++i)
    if (chain[i].plugin->selects)
      refuse("sampler", chain[i].spec.name, " selects the token, so it must be the last of the chain");
}

}  // namespace

SamplerCatalog::SamplerCatalog(PluginHost& host, const ModelConfig& model) : model_(model) {
  for (const Candidate& candidate : host.candidates()) {
    if (candidate.kind != Kind::sampler) continue;
    try {
      const Plugin& plugin = host.open(candidate);
      if (plugin.probe().score > 0) plugins_[{candidate.name, candidate.space}] = &plugin;
    } catch (const Error& error) {
      log_debug("sampler " + candidate.name + " is left out: " + error.what());
    }
  }
  if (!find(kSelector, Space::host)) fail("the sampler ", kSelector, " is needed, and is not installed");
}

const Plugin* SamplerCatalog::find(const std::string& name, Space space) const {
  const auto found = plugins_.find({name, space});
  return found == plugins_.end() ? nullptr : found->second;
}

std::vector<PluginSpec> SamplerCatalog::specs_of(const SamplingRequest& request) const {
  std::vector<PluginSpec> specs;
  if (!request.logit_bias.empty()) specs.push_back(bias_spec(request.logit_bias));
  if (request.presence_penalty != 0)
    specs.push_back({"presence-penalty", {{"penalty", text_of_number(request.presence_penalty)}}});
  if (request.frequency_penalty != 0)
    specs.push_back({"frequency-penalty", {{"penalty", text_of_number(request.frequency_penalty)}}});
  std::ranges::move(parse_plugin_list(request.chain, "sampler"), std::back_inserter(specs));
  if (specs.size() > kMostSamplers) refuse("sampler", "expected at most ", kMostSamplers, " samplers");
  for (const PluginSpec& spec : specs) {
    if (find(spec.name, Space::host)) continue;
    std::string names;
    for (const auto& [key, plugin] : plugins_)
      if (key.second == Space::host) names.append(names.empty() ? "" : ", ").append(key.first);
    refuse("sampler", "expected one of ", names, ", found ", in_quotes(spec.name));
  }
  if (!find(specs.back().name, Space::host)->selects) specs.push_back({kSelector, {}});
  return specs;
}

SelectSpec select_spec_of(const SamplingRequest& request) {
  SelectSpec spec;
  spec.temperature = request.temperature.value_or(kDefaults.temperature);
  spec.top_k = static_cast<int32_t>(request.top_k.value_or(kDefaults.top_k));
  spec.top_p = request.top_p.value_or(kDefaults.top_p), spec.min_p = request.min_p.value_or(kDefaults.min_p);
  return spec;
}

SamplerPlan SamplerCatalog::plan(const SamplingRequest& request, Space space) const {
  try {
    const std::vector<PluginSpec> specs = specs_of(request);
    const auto is_there = [&](const PluginSpec& spec) { return find(spec.name, space) != nullptr; };
    if (!std::ranges::all_of(specs, is_there)) space = Space::host;
    std::vector<BoundPlugin> chain;
    for (const PluginSpec& spec : specs) chain.emplace_back(*find(spec.name, space), spec, Layer::command_line);
    check_order(chain);
    set_model_defaults(chain, model_);
    for (BoundPlugin& one : chain) {
      set_own(one);
      if (!one.spec.options.empty()) check_own(one.spec);
    }
    set_number(chain.back(), "temperature", "temp", request.temperature, kDefaults.temperature);
    set_number(chain.back(), "top_k", "top_k", request.top_k, int64_t{kDefaults.top_k});
    set_number(chain.back(), "top_p", "top_p", request.top_p, kDefaults.top_p);
    set_number(chain.back(), "min_p", "min_p", request.min_p, kDefaults.min_p);
    SamplerPlan plan;
    for (const BoundPlugin& one : chain) {
      plan.plugins.push_back(one.plugin);
      plan.values.push_back(std::make_shared<OptionValues>(one.values));
      plan.names.append(plan.names.empty() ? "" : ",").append(one.plugin->name);
      plan.text.append(plan.text.empty() ? "" : ",").append(to_text(one.spec));
    }
    return plan;
  } catch (const ApiError&) {
    throw;
  } catch (const Error& error) {
    throw ApiError(400, "", "sampler", std::string("sampler: ") + error.what());
  }
}

// In host memory, where a sampler takes the same options as on a device.
void SamplerCatalog::check_own(const PluginSpec& spec) const {
  const Plugin& plugin = *find(spec.name, Space::host);
  BoundPlugin one(plugin, spec, Layer::command_line);
  set_own(one);
  const std::lock_guard lock(creating);
  std::unique_ptr<Sampler>& sampler = checkers_[&plugin];
  if (!sampler) {
    LogitBatch layout{};
    layout.rows = layout.slots = 1, layout.vocab = model_.V, layout.stride = model_.V;
    layout.space = Space::host;
    auto made = create<Sampler>(BoundPlugin(plugin, {spec.name, {}}, Layer::fallback));
    call_named(one, "prepared", [&] { made->prepare(layout); });
    sampler = std::move(made);
  }
  call_named(one, "configured", [&] { sampler->configure(0, &one.values); });
}

std::shared_ptr<const Chain> ChainCache::chain_of(const SamplerPlan& plan) {
  const std::string key = plan.names + "@" + name_of(plan.plugins.back()->space);
  if (const auto found = entries_.find(key); found != entries_.end()) {
    found->second.used = ++uses_;
    return found->second.chain;
  }
  if (entries_.size() >= kMost) {
    auto oldest = entries_.end();
    for (auto one = entries_.begin(); one != entries_.end(); ++one)
      if (one->second.chain.use_count() == 1 && (oldest == entries_.end() || one->second.used < oldest->second.used))
        oldest = one;
    if (oldest == entries_.end())
      throw ApiError(429, "chains_full", "sampler",
                     "sampler: " + std::to_string(kMost) + " other chains of samplers are in use");
    entries_.erase(oldest);
  }
  const std::lock_guard lock(creating);
  Entry entry;
  auto chain = std::make_shared<Chain>();
  for (size_t i = 0; i < plan.plugins.size(); ++i) {
    const Plugin& plugin = *plan.plugins[i];
    BoundPlugin bound(plugin, {plugin.name, {}}, Layer::fallback);
    entry.samplers.push_back(create<Sampler>(bound));
    chain->samplers.push_back(entry.samplers.back().get());
    chain->changes_logits |= !plugin.selects;
  }
  chain->space = plan.plugins.back()->space;
  chain->names = plan.names;
  entry.chain = std::move(chain), entry.used = ++uses_;
  return entries_.emplace(key, std::move(entry)).first->second.chain;
}

}  // namespace gpt2run
