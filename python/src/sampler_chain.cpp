#include "sampler_chain.hpp"

#include <algorithm>

#include "common/config/create.hpp"
#include "common/config/other_tools.hpp"

namespace gpt2run::python {
namespace {

constexpr CoreOption kOptions[] = {{{"sampler", "text", "device-nucleus", "",
                                     "chain of samplers, separated by commas; device-NAME runs where the logits are"}}};

class FunctionSampler final : public Sampler {
 public:
  // failure: gets what the function throws. It outlives the object.
  FunctionSampler(SampleRow sample, bool selects, std::exception_ptr& failure)
      : sample_(std::move(sample)), selects_(selects), failure_(failure) {}

  void sample(const LogitBatch& batch) override {
    for (int32_t r = 0; r < batch.rows; ++r) {
      const RowKey& key = batch.keys[r];
      int32_t* tokens = batch.tokens + key.slot * batch.token_stride;
      const int32_t token = called({batch.logits + r * batch.stride, static_cast<size_t>(batch.vocab)},
                                   {tokens, static_cast<size_t>(key.position)}, key);
      if (selects_) tokens[key.position] = token;
    }
  }

 private:
  int32_t called(std::span<float> logits, std::span<const int32_t> tokens, const RowKey& key) const {
    try {
      return sample_(logits, tokens, key);
    } catch (...) {
      failure_ = std::current_exception();
    }
    fail("it has raised an exception");
  }

  SampleRow sample_;
  bool selects_;
  std::exception_ptr& failure_;
};

bool is_plugin_option(const std::string& name) {
  return name.find('.') == name.npos && plugin_option_of(name) == name &&
         (", " + alias_names() + ",").find(", --" + name + ",") == std::string::npos;
}

// The arguments of a command line. A name that gpt2run has no short form of is that of a sampler.
std::vector<std::string> sampler_arguments(std::string list, std::vector<Setting> settings) {
  for (auto& [name, value] : settings)
    if (is_plugin_option(normal_name(name))) name = "sampler." + name;
  if (!list.empty()) settings.insert(settings.begin(), {"sampler", std::move(list)});
  return arguments_of(settings);
}

// The plugins of a chain whose token is chosen by a function.
std::vector<BoundPlugin> choose_before_function(PluginHost& host, const Configuration& configuration) {
  std::vector<BoundPlugin> chain;
  for (PluginSpec& spec : parse_plugin_list(configuration.values().text("sampler"), configuration.origin("sampler"))) {
    const Plugin& plugin = host.sampler(spec.name, Space::host);
    if (plugin.selects) usage_error("sampler: ", spec.name, " selects the token, so it must be the last of the chain");
    chain.emplace_back(plugin, std::move(spec), Layer::command_line, &host);
  }
  return chain;
}

}  // namespace

SamplerChain::SamplerChain(OpenModel& model, const std::vector<ChainItem>& items,
                           const std::vector<Setting>& settings) {
  const bool function_selects = !items.empty() && std::holds_alternative<NamedFunction>(items.back());
  const bool has_functions =
      std::ranges::any_of(items, [](const ChainItem& item) { return std::holds_alternative<NamedFunction>(item); });
  std::string list;
  for (const ChainItem& item : items)
    if (const auto* names = std::get_if<std::string>(&item)) list += (list.empty() ? "" : ",") + *names;

  const LockedPlugins plugins = lock_plugins();  // the mutex is of all hosts
  PluginHost& host = *model.host();
  Configuration configuration(kOptions, sampler_arguments(list, settings));
  std::vector<BoundPlugin> bound;
  if (!function_selects)
    bound = choose_samplers(host, configuration, has_functions ? Space::host : model.session().layout().space);
  else if (!list.empty())
    bound = choose_before_function(host, configuration);
  std::vector<BoundPlugin*> chosen;
  for (BoundPlugin& one : bound) chosen.push_back(&one);
  bind_options(configuration, host, chosen);
  set_model_defaults(bound, model.config());

  chain_.space = bound.empty() || has_functions ? Space::host : bound.back().plugin->space;
  size_t next = 0;
  const auto add_plugins = [&](size_t count) {
    for (; count > 0; --count, ++next)
      add(create<Sampler>(bound[next]), bound[next].plugin->name, bound[next].plugin->selects);
  };
  for (size_t i = 0; i < items.size(); ++i) {
    if (const auto* names = std::get_if<std::string>(&items[i])) {
      add_plugins(parse_plugin_list(*names, "sampler").size());
    } else {
      const auto& function = std::get<NamedFunction>(items[i]);
      const bool selects = i + 1 == items.size();
      add(std::make_unique<FunctionSampler>(function.sample, selects, failure_), function.name, selects);
    }
  }
  add_plugins(bound.size() - next);  // the default chain, or a selector that was added
}

void SamplerChain::add(std::unique_ptr<Sampler> sampler, std::string name, bool selects) {
  chain_.samplers.push_back(sampler.get());
  chain_.names.append(chain_.names.empty() ? "" : ",").append(name);
  chain_.changes_logits |= !selects;
  samplers_.push_back(std::move(sampler));
}

std::shared_ptr<const Chain> SamplerChain::chain() const { return {std::shared_ptr<const Chain>(), &chain_}; }

}  // namespace gpt2run::python
