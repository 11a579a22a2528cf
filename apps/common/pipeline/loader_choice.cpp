// Defaults for the model, the probing of loaders, and the tokenizer.
#include "common/pipeline/loader_choice.hpp"

#include <cstdlib>
#include <filesystem>

#include "common/config/create.hpp"
#include "common/pipeline/model_path.hpp"
#include "common/pipeline/packed_model.hpp"
#include "gpt2run/files/paths.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "host/discovery.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

// Throws Error for a model that is there but that this user may not read. Loaders only see that nothing is found.
void check_readable(const std::string& model) {
  if (!is_folder(model)) return;
  std::error_code error;
  entries_of(model, error);
  if (error) fail("model ", model, ": the folder cannot be read: ", error.message());
}

// Probes the model with every loader that runs here. One that cannot be opened is logged and skipped.
BoundPlugin find_loader(PluginHost& host, const std::string& model) {
  const Plugin* best = nullptr;
  int best_score = 0;
  std::string names;
  for (const Candidate& candidate : host.candidates()) {
    if (candidate.kind != Kind::loader) continue;
    names += (names.empty() ? "" : ", ") + candidate.name;
    try {
      const Plugin& plugin = host.open(candidate);
      const BoundPlugin bound(plugin, {plugin.name, {}}, Layer::fallback, &host);
      if (call_named(bound, "asked whether it runs here", plugin.probe).score == 0) continue;
      const auto loader = create<Loader>(bound);
      const int score =
          call_named(bound, "asked whether it reads the model", [&] { return loader->probe(model.c_str()); });
      if (score > best_score) best = &plugin, best_score = score;
    } catch (const Error& error) {
      log_warning(std::string("loader ") + candidate.name + " cannot be asked: " + error.what());
    }
  }
  if (best) return BoundPlugin(*best, {best->name, {}}, Layer::fallback, &host);
  if (names.empty())
    fail("model ", model, ": there is no loader to read it; plugins are looked for in ", plugin_places());
  if (!std::filesystem::exists(status_of(model))) {
    if (is_there(model))
      fail("model ", model, ": expected a link to a file or folder, found one that leads to nothing or to itself");
    fail("model ", model, ": no such file or folder, and no loader knows the name (", names, ")", how_to_get(model));
  }
  if (is_file(model) && std::filesystem::is_empty(model))
    fail("model ", model, ": expected a file with content, found an empty file");
  fail("model ", model, ": no loader knows this format (", names, "); docs/formats.md lists the files that are read");
}

}  // namespace

std::string model_of(const Configuration& configuration) {
  const std::string given(configuration.values().text("model"));
  if (!given.empty()) return model_path(given);
  const char* variable = std::getenv("GPT2RUN_MODEL");
  if (variable && *variable) {
    log_info(std::string("model ") + variable + " (GPT2RUN_MODEL)");
    return model_path(variable);
  }
  log_info("no --model: the demo model");
  return demo_model().string();
}

PluginSpec single_plugin(const Configuration& configuration, const char* option) {
  auto specs = parse_plugin_list(configuration.values().text(option), configuration.origin(option));
  if (specs.size() != 1) usage_error(configuration.origin(option), ": expected one plugin, found ", specs.size());
  return std::move(specs.front());
}

BoundPlugin choose_loader(PluginHost& host, const Configuration& configuration, const std::string& model) {
  check_readable(model);
  if (configuration.values().text("loader").empty()) return find_loader(host, source_of_model(model));
  const PluginSpec spec = single_plugin(configuration, "loader");
  return BoundPlugin(host.get(Kind::loader, spec.name), spec, configuration.layer("loader"), &host);
}

void check_vocabulary(const std::string& path, const Tokenizer& tokenizer, const ModelConfig& model) {
  if (tokenizer.size() <= model.V) return;
  if (tokenizer.ordinary_size() > model.V)
    fail("tokenizer ", path, ": expected at most ", model.V, " tokens, the model's vocabulary, found ",
         tokenizer.size());
  log_warning("tokenizer " + path + ": " + std::to_string(tokenizer.size()) + " tokens, the model has " +
              std::to_string(model.V) + ": added tokens from " + std::to_string(model.V) + " on, as " +
              in_quotes(tokenizer.piece(tokenizer.size() - 1)) + ", cannot be used");
}

std::unique_ptr<Tokenizer> open_tokenizer(const Configuration& configuration, const Checkpoint& checkpoint) {
  const std::string given(configuration.values().text("tokenizer"));
  const char* own = checkpoint.tokenizer();
  if (given.empty() && !own) {
    const std::string reason = no_tokenizer_reason(std::string(configuration.values().text("model")));
    log_info("the model has no tokenizer" + (reason.empty() ? "" : " (" + reason + ")") + ": token ids only");
    return nullptr;
  }
  const std::string path = given.empty() ? own : given;
  std::unique_ptr<Tokenizer> tokenizer;
  try {
    tokenizer = Tokenizer::open(path);
  } catch (const UnreadTokenizer& error) {
    if (!given.empty()) throw;
    log_warning(std::string("the model's tokenizer is not read, token ids only: ") + error.what());
    return nullptr;
  }
  for (const std::string& line : tokenizer->warnings()) log_warning(line);
  check_vocabulary(path, *tokenizer, checkpoint.config());
  if (tokenizer->size() < checkpoint.config().V)
    log_warning("tokenizer " + path + ": " + std::to_string(tokenizer->size()) + " tokens, the model has " +
                std::to_string(checkpoint.config().V) + "; ids beyond the tokenizer's print nothing");
  return tokenizer;
}

}  // namespace gpt2run
