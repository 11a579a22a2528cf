// Loaders are asked in turn what they make of a model.
#include "host/loader_choice.hpp"

#include <filesystem>

#include "host/compose.hpp"
#include "host/discovery.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

// The loader whose probe of the model scores highest.
Chosen find_loader(PluginHost& host, const std::string& model) {
  const Plugin* best = nullptr;
  int best_score = 0;
  std::string names;
  for (const Candidate& candidate : host.candidates()) {
    if (candidate.kind != Kind::loader) continue;
    names += (names.empty() ? "" : ", ") + candidate.name;
    try {
      const Plugin& plugin = host.open(candidate);
      if (plugin.probe().score == 0) continue;
      const int score = create<Loader>(Chosen(plugin, {plugin.name, {}}, Layer::fallback))->probe(model.c_str());
      if (score > best_score) best = &plugin, best_score = score;
    } catch (const Error& error) {
      log_warning(std::string("loader ") + candidate.name + " cannot be asked: " + error.what());
    }
  }
  if (best) return Chosen(*best, {best->name, {}}, Layer::fallback);
  if (names.empty())
    fail("model ", model, ": there is no loader to read it; plugins are looked for in ", plugin_places());
  std::error_code ignored;
  if (!std::filesystem::exists(model, ignored))
    fail("model ", model, ": no such file or folder, and no loader knows the name (", names, ")");
  fail("model ", model, ": no loader knows this format (", names, ")");
}

}  // namespace

PluginSpec single_plugin(const Configuration& configuration, const char* option) {
  auto specs = parse_plugin_list(configuration.values().text(option), configuration.origin(option));
  if (specs.size() != 1) misused(configuration.origin(option), ": expected one plugin, found ", specs.size());
  return std::move(specs.front());
}

Chosen choose_loader(PluginHost& host, const Configuration& configuration, const std::string& model) {
  if (configuration.values().text("loader").empty()) return find_loader(host, model);
  const PluginSpec spec = single_plugin(configuration, "loader");
  return Chosen(host.get(Kind::loader, spec.name), spec, configuration.layer("loader"));
}

}  // namespace gpt2run
