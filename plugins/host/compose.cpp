// The objects of a pipeline: made in order, checked against each other, recorded and run.
#include "host/compose.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "host/log.hpp"
#include "host/run_files.hpp"

namespace gpt2run {
namespace {

std::string standard_input() {
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t count = read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("--prompt -: standard input cannot be read: ", std::strerror(errno));
    if (count == 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  // The line end that `echo` and editors put there is not meant.
  if (text.ends_with('\n')) text.pop_back();
  if (text.empty()) fail("--prompt -: standard input is empty");
  return text;
}

std::vector<int32_t> parse_tokens(const std::string& text) {
  std::vector<int32_t> tokens;
  const char *at = text.data(), *const end = at + text.size();
  while (true) {
    while (at != end && std::strchr(" ,\t\n", *at)) ++at;
    if (at == end) break;
    int32_t id = 0;
    const auto [next, code] = std::from_chars(at, end, id);
    if (code != std::errc() || (next != end && !std::strchr(" ,\t\n", *next)))
      misused("--tokens: expected token ids, found \"", std::string(at, std::min(end, at + 20)), "\"");
    tokens.push_back(id);
    at = next;
  }
  if (tokens.empty()) misused("--tokens: expected token ids, found none");
  return tokens;
}

Prompt start_of_text(const ModelConfig& model) {
  if (model.end_of_text < 0) fail("the model has no end-of-text token to start from: give --prompt or --tokens");
  return {"", {model.end_of_text}};
}

Prompt from_text(const std::string& given, const Tokenizer* tokenizer, bool special) {
  const std::string text = given == "-" ? standard_input() : given;
  if (text.empty())
    misused("--prompt: expected a text, found an empty one; without --prompt the end-of-text token starts");
  if (!tokenizer) fail("--prompt: the model has no tokenizer; give --tokens or --tokenizer PATH");
  return {text, tokenizer->encode(text, special)};
}

void check_tokens(const Prompt& prompt, const ModelConfig& model) {
  for (const int32_t id : prompt.tokens)
    if (id < 0 || id >= model.V) fail("token id ", id, ": expected [0, ", model.V, "), the model's vocabulary");
}

// Keeps the last tokens, as many as leave room for the new ones; at least one.
void truncate(Prompt& prompt, const ModelConfig& model, const Generation& generation, const Tokenizer* tokenizer) {
  const int64_t room = generation.max_new >= 0 ? int64_t(model.T) + 1 - std::max(1, generation.max_new)
                                               : std::min<int64_t>(model.T, int64_t(generation.n_gen) - 1);
  const auto keep = static_cast<size_t>(std::max<int64_t>(1, room));
  if (prompt.tokens.size() <= keep) return;
  log_warning("a prompt of " + std::to_string(prompt.tokens.size()) + " tokens is cut to its last " +
              std::to_string(keep));
  prompt.tokens.erase(prompt.tokens.begin(), prompt.tokens.end() - static_cast<std::ptrdiff_t>(keep));
  prompt.text = tokenizer ? tokenizer->decode(prompt.tokens) : "";
}

std::vector<Prompt> prompts_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model,
                               const Generation& generation) {
  const Layer text = configuration.layer("prompt"), ids = configuration.layer("tokens"), layer = std::max(text, ids);
  const Manifest* recorded = configuration.recorded();
  std::vector<Prompt> prompts;
  if (layer == Layer::fallback && recorded) prompts = recorded->prompts;
  if (layer == Layer::fallback && !recorded) prompts.push_back(start_of_text(model));
  if (layer != Layer::fallback && text == layer)
    for (const std::string& given : configuration.list("prompt"))
      prompts.push_back(from_text(given, tokenizer, !configuration.values().flag("no_special")));
  if (layer != Layer::fallback && ids == layer)
    for (const std::string& given : configuration.list("tokens")) {
      Prompt prompt{"", parse_tokens(given)};
      check_tokens(prompt, model);
      if (tokenizer) prompt.text = tokenizer->decode(prompt.tokens);
      prompts.push_back(std::move(prompt));
    }
  for (Prompt& prompt : prompts) {
    check_tokens(prompt, model);
    if (configuration.values().flag("truncate_prompt")) truncate(prompt, model, generation, tokenizer);
  }
  return prompts;
}

// A path keeps its meaning in another folder; a name like synthetic:124M stays as it is.
std::string lasting_path(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? std::filesystem::absolute(path, ignored).string() : path;
}

// Options that say what a run computes; those that only say where it reports are left out.
std::vector<RecordedOption> recorded_options(const Configuration& configuration, const std::string& model,
                                             const Generation& generation) {
  std::vector<RecordedOption> options{{"model", lasting_path(model), "text"}};
  const OptionValues& values = configuration.values();
  const bool counts_new = generation.max_new >= 0;
  options.push_back({counts_new ? "max_new_tokens" : "n_gen",
                     std::to_string(counts_new ? generation.max_new : generation.n_gen), "int"});
  options.push_back({"seed", std::to_string(generation.seed), "int"});
  for (const char* key : {"samples", "batch", "threads", "device"}) options.push_back({key, values.shown(key), "int"});
  for (const char* key : {"ignore_eos", "no_special", "truncate_prompt"})
    options.push_back({key, values.shown(key), "bool"});
  for (const std::string& stop : generation.stops) options.push_back({"stop", stop, "text"});
  const std::string tokenizer(values.text("tokenizer"));
  if (!tokenizer.empty()) options.push_back({"tokenizer", lasting_path(tokenizer), "text"});
  for (const std::string& folder : configuration.list("plugin_dir"))
    options.push_back({"plugin_dir", lasting_path(folder), "text"});
  return options;
}

// A few elements of every tensor: cheap, and the same for one model in any file layout.
std::string hash_of_model(const Checkpoint& checkpoint) {
  constexpr int64_t kSamples = 16;
  const ModelConfig& config = checkpoint.config();
  Fingerprint print;
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    for (int layer = 0; layer < (is_per_layer(weight) ? config.L : 1); ++layer) {
      const Tensor t = checkpoint.tensor(weight, layer);
      const int64_t size = t.type == Type::f32 ? 4 : 2, count = t.rows * t.cols;
      for (int64_t i = 0; i < std::min(count, kSamples); ++i) {
        const int64_t at = i * count / std::min(count, kSamples), r = at / t.cols, c = at % t.cols;
        print.add(static_cast<const char*>(t.data) + (r * t.row_stride + c * t.col_stride) * size,
                  static_cast<size_t>(size));
      }
    }
  }
  return print.hex();
}

}  // namespace

Composition::Composition(PluginHost& host, const Configuration& configuration, Choice choice)
    : host_(host), choice_(std::move(choice)), generation_(generation_of(configuration)) {
  check_files(host_, configuration, choice_);
  options_ = recorded_options(configuration, choice_.model, generation_);
  loader_ = create<Loader>(choice_.loader);
  checkpoint_ = loader_->open(choice_.model.c_str());
  open_tokenizer(configuration);
  prompts_ = prompts_of(configuration, tokenizer_.get(), checkpoint_->config(), generation_);
  precision_ = create<Precision>(choice_.precision);
  for (const Chosen& sampler : choice_.samplers) {
    samplers_.push_back(create<Sampler>(sampler));
    chain_.samplers.push_back(samplers_.back().get());
    chain_.changes_logits |= !sampler.plugin->selects;
  }
  chain_.space = choice_.chain_space();
  for (const Chosen& sink : choice_.sinks) {
    sinks_.push_back(create<Sink>(sink));
    sink_pointers_.push_back(sinks_.back().get());
  }
}

void Composition::open_tokenizer(const Configuration& configuration) {
  const std::string given(configuration.values().text("tokenizer"));
  const char* own = checkpoint_->tokenizer();
  if (given.empty() && !own) return log_info("the model has no tokenizer: token ids only");
  const std::string path = given.empty() ? own : given;
  tokenizer_ = Tokenizer::open(path);
  if (tokenizer_->size() > checkpoint_->config().V)
    fail("tokenizer ", path, ": expected at most ", checkpoint_->config().V, " tokens, the model's vocabulary, found ",
         tokenizer_->size());
}

Limits Composition::limits() const {
  return plan_limits(checkpoint_->config(), prompts_, generation_, sink_pointers_, chain_);
}

void Composition::open() { session_ = precision_->open(*checkpoint_, limits()); }

Summary Composition::run(const std::string& manifest, const std::function<void(int64_t, int64_t)>& progress) {
  return generate(*session_, checkpoint_->config(), chain_, sink_pointers_, tokenizer_.get(), prompts_, generation_,
                  manifest, progress);
}

RecordedPlugin Composition::record(const Chosen& chosen) const {
  const Plugin& plugin = *chosen.plugin;
  RecordedPlugin recorded{
      name_of(plugin.kind), chosen.asked.name, plugin.name, name_of(plugin.space), plugin.version, "", "", {}};
  if (const Candidate* candidate = host_.find(plugin.kind, plugin.name, plugin.space)) {
    recorded.file = candidate->file.filename().string();
    recorded.hash = hash_of_file(candidate->file);
  }
  for (const OptionSpec& spec : chosen.values.specs())
    recorded.options.push_back({spec.key, chosen.values.shown(spec.key), spec.type});
  return recorded;
}

Manifest Composition::manifest() const {
  Manifest manifest;
  manifest.program = GPT2RUN_VERSION;
  manifest.tag = kTag;
  manifest.abi = kAbi;
  manifest.options = options_;
  manifest.plugins = {record(choice_.loader), record(choice_.precision)};
  for (const Chosen& sampler : choice_.samplers) manifest.plugins.push_back(record(sampler));
  for (const Chosen& sink : choice_.sinks) manifest.plugins.push_back(record(sink));
  manifest.prompts = prompts_;
  manifest.model = lasting_path(choice_.model);
  manifest.model_hash = hash_of_model(*checkpoint_);
  manifest.config = checkpoint_->config();
  manifest.traits = session_->traits();
  return manifest;
}

std::vector<std::string> differences(const Manifest& recorded, const Manifest& now) {
  std::vector<std::string> found;
  const auto compare = [&](const std::string& what, const std::string& then, const std::string& here) {
    if (then != here) found.push_back(what + " was " + then + " in the recorded run, now " + here);
  };
  compare("gpt2run", recorded.program, now.program);
  compare("the model's hash", recorded.model_hash, now.model_hash);
  for (const RecordedPlugin& then : recorded.plugins) {
    const auto same = std::find_if(now.plugins.begin(), now.plugins.end(), [&](const RecordedPlugin& one) {
      return one.kind == then.kind && one.name == then.name;
    });
    const std::string what = then.kind + " " + then.name;
    if (same == now.plugins.end()) {
      found.push_back(what + " was in the recorded run and is not in this one");
      continue;
    }
    compare(what + ": space", then.space, same->space);
    compare(what + ": version", then.version, same->version);
    compare(what + ": hash of " + then.file, then.hash, same->hash);
  }
  return found;
}

}  // namespace gpt2run
