// The options of the pipeline, and the rules by which plugins are selected and combined.
#include "common/pipeline/choice.hpp"

#include <algorithm>
#include <charconv>
#include <random>

#include "common/pipeline/loader_choice.hpp"
#include "common/prompts/prompts.hpp"
#include "gpt2run/json/json.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/processors.hpp"
#include "gpt2run/sdk/quantise.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr CoreOption kOptions[] = {
    {{"model", "text", "", "",
      "folder, file, synthetic:..., or a name in Hugging Face's cache; else GPT2RUN_MODEL, else the demo model"},
     'm'},
    {{"loader", "text", "", "", "weight loader; else the one that knows the model best"}},
    {{"precision", "text", "fp32", "", "fp32, fp16, bf16, or a plugin's exact name"}},
    {{"sampler", "text", "device-nucleus", "",
      "chain of samplers, separated by commas; device-NAME runs where the logits are"}},
    {{"sink", "text", "text", "", "where results go, separated by commas"}},
    {{"prompt", "text", "", "",
      "text to continue; - is standard input; none starts at the start-of-text or end-of-text token"},
     'p',
     true,
     {"start"}},
    {{"tokens", "text", "", "", "token ids to continue, separated by blanks or commas; after the prompts in text"},
     0,
     true},
    {{"prompts", "text", "", "",
      "file of prompts: a line each, .jsonl, or .bin prompt sets, also as a pattern like 'prompt_*.bin'; - is standard "
      "input"},
     0,
     true},
    {{"t", "int", "0", "[0, 1048576]", "tokens of a row of a .bin prompt set; 0 is as its header says"}},
    {{"max_new_tokens", "int", "64", "[-1, 2147483646]",
      "new tokens per sequence, fewer where the context ends; -1 leaves it to --n_gen"},
     'n',
     false,
     {"max_tokens", "n_predict", "n"}},
    {{"n_gen", "int", "64", "[1, 2147483647]", "tokens of a whole sequence, prompt included; in place of -n"},
     0,
     false,
     {"max_length"}},
    {{"context_shift", "int", "0", "[-1, 1048575]",
      "when the context is full, go on with this many of the last tokens; -1: half of it; 0: the sequence ends there"}},
    {{"samples", "int", "1", "[1, 1000000]", "sequences per prompt"},
     0,
     false,
     {"num_return_sequences", "num_samples"}},
    {{"batch", "int", "1", "[1, 65536]", "sequences at a time"}},
    {{"stop", "text", "", "",
      "text that ends a sequence and is not shown; \\n, \\t, \\\\ and \\u00e9 stand for characters"},
     0,
     true},
    {{"recompute", "bool", "off", "", "a full forward pass for every token, as if there were no KV cache"}},
    {{"ignore_eos", "bool", "off", "", "go on after the end-of-text token"}},
    {{"no_special", "bool", "off", "", "special tokens in a prompt are text like any other"}},
    {{"truncate_prompt", "bool", "off", "",
      "of a prompt that is too long keep the last tokens that leave room for new ones"}},
    {{"patch", "text", "", "",
      "change what an operation writes: op=NAME,layer=5,positions=3-7 and from=TEXT, zero, mean, scale=X or "
      "noise=SEED; "
      "several are applied in order"},
     0,
     true},
    {{"seed", "text", "42", "", "whole number below 2^64, or random"}},
    {{"threads", "int", "0", "[0, 1024]", "worker threads; 0 is one per core"}, 't'},
    {{"device", "int", "0", "[0, 1024]", "ordinal of the GPU"}},
    {{"verify", "bool", "off", "", "check the sums of the model's files, for which all of them are read"}},
    {{"tokenizer", "text", "", "", "path of a tokenizer; else the model's own"}},
    {{"plugin_dir", "text", "", "", "folder with plugins, searched first"}, 0, true},
    {{"config", "text", "", "", "options from an INI file, or a run again from its manifest"}, 'c'},
    {{"manifest", "text", "", "", "file for the record of this run, - is standard output; --config repeats it"}},
    {{"explain", "bool", "off", "", "print the pipeline and the memory it needs instead of running it"}},
    {{"report", "enum", "none", "none|weights",
      "weights: print what the precision's type does to every tensor instead of running"}},
    {{"quiet", "bool", "off", "", "no messages but warnings and errors"}, 'q'},
    {{"help", "bool", "off", "", "print options, those of the chosen plugins included"}, 'h'},
};

constexpr char kSelector[] = "nucleus";

std::vector<PluginSpec> specs_of(const Configuration& configuration, const char* slot) {
  return parse_plugin_list(configuration.values().text(slot), configuration.origin(slot));
}

// Only the last sampler of a chain selects, and all of them work in one memory space, that of the logits or the host's.
void check_chain(const std::vector<BoundPlugin>& chain, Space logits) {
  for (size_t i = 0; i + 1 < chain.size(); ++i)
    if (chain[i].plugin->selects)
      usage_error("--sampler: ", chain[i].spec.name, " selects the token, so it must be the last of the chain");
  for (const BoundPlugin& sampler : chain) {
    const Plugin &first = *chain.front().plugin, &other = *sampler.plugin;
    if (first.space != other.space)
      usage_error("--sampler: one chain in two memory spaces: ", chain.front().spec.name, " in ", name_of(first.space),
                  ", ", sampler.spec.name, " in ", name_of(other.space));
  }
  const Space space = chain.front().plugin->space;
  if (space != logits && space != Space::host)
    usage_error("--sampler: ", chain.front().spec.name, " works in ", name_of(space), " memory, the logits are in ",
                name_of(logits), " memory");
}

// The same sink twice with the same options would write one file twice.
void check_sinks(const std::vector<BoundPlugin>& sinks) {
  for (const BoundPlugin& sink : sinks)
    for (const BoundPlugin* other = sinks.data(); other != &sink; ++other) {
      if (other->plugin != sink.plugin) continue;
      const auto specs = sink.values.specs();
      const bool same = std::all_of(specs.begin(), specs.end(), [&](const OptionSpec& spec) {
        return sink.values.shown(spec.key) == other->values.shown(spec.key);
      });
      if (same) usage_error("--sink: ", sink.spec.name, " is given twice with the same options");
    }
}

template <class Part, class Of>
std::vector<Part*> parts_of(Of& choice) {
  std::vector<Part*> parts{&choice.loader, &choice.precision};
  for (auto& sampler : choice.samplers) parts.push_back(&sampler);
  for (auto& sink : choice.sinks) parts.push_back(&sink);
  return parts;
}

uint64_t seed_of(const Configuration& configuration) {
  const std::string_view text = configuration.values().text("seed");
  if (text == "random") {
    std::random_device device;
    const uint64_t seed = uint64_t(device()) << 32 | device();
    log_info("seed " + std::to_string(seed) + " (drawn)");
    return seed;
  }
  uint64_t seed = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (code != std::errc() || end != text.data() + text.size())
    usage_error(configuration.origin("seed"),
                ": expected a whole number in [0, 18446744073709551615] or random, found ", in_quotes(text));
  return seed;
}

}  // namespace

std::span<const CoreOption> pipeline_options() { return kOptions; }

bool Selection::streams() const {
  return std::ranges::any_of(
      sinks, [](const BoundPlugin& sink) { return sink.values.declares("out") && sink.values.shown("out") == "-"; });
}

std::vector<BoundPlugin*> Selection::all() { return parts_of<BoundPlugin>(*this); }
std::vector<const BoundPlugin*> Selection::all() const { return parts_of<const BoundPlugin>(*this); }

std::vector<BoundPlugin> choose_samplers(PluginHost& host, const Configuration& configuration, Space logits) {
  std::vector<BoundPlugin> chain;
  const Layer layer = configuration.layer("sampler");
  for (PluginSpec& spec : specs_of(configuration, "sampler")) {
    const Plugin& plugin = host.sampler(spec.name, logits);
    chain.emplace_back(plugin, std::move(spec), layer, &host);
  }
  std::string added;
  if (!chain.back().plugin->selects) {
    const std::string name = (chain.back().plugin->space == Space::host ? "" : "device-") + std::string(kSelector);
    chain.emplace_back(host.sampler(name, logits), PluginSpec{name, {}}, Layer::fallback, &host);
    chain.back().values.set_default("top_k", "0");
    chain.back().values.set_default("top_p", "1");
    added = name;
  }
  check_chain(chain, logits);
  if (!added.empty())
    log_info("the chain has no selector: " + added + " is added, with top_k 0 and top_p 1 unless given");
  BoundPlugin& last = chain.back();
  const auto is_top_k = [](const BoundPlugin& one) { return std::string_view(one.plugin->name) == "top-k"; };
  if (std::any_of(chain.begin(), chain.end(), is_top_k) && last.values.declares("top_k") &&
      last.plugin->name == std::string_view(kSelector))
    last.values.set_default("top_k", "0");
  return chain;
}

void set_model_defaults(std::span<BoundPlugin> samplers, const ModelConfig& model) {
  std::string ends;
  for (int32_t id = 0; id < model.V; ++id)
    if (ends_text(model, id)) ends.append(ends.empty() ? "" : " ").append(std::to_string(id));
  for (BoundPlugin& sampler : samplers) {
    if (std::string_view(sampler.plugin->name) != "min-tokens") continue;
    if (!sampler.values.given("ends"))
      sampler.values.set_default("ends", ends.empty() ? "none" : ends);
    else if (const std::string_view given = sampler.values.text("ends"); given != "none")
      parse_tokens(given, "min-tokens.ends", model.V);
  }
}

void bind_options(Configuration& configuration, PluginHost& host, std::span<BoundPlugin* const> chosen) {
  std::vector<OtherPlugin> others;
  for (const Candidate& candidate : host.candidates())
    others.push_back({candidate.kind, candidate.name, [&host, one = &candidate]() -> const Plugin* {
                        try {
                          return &host.open(*one);
                        } catch (const Error&) {
                          return nullptr;
                        }
                      }});
  for (const std::string& message : configuration.bind(chosen, others)) log_warning(message);
}

Selection choose(PluginHost& host, Configuration& configuration) {
  const std::string model = model_of(configuration);
  BoundPlugin loader = choose_loader(host, configuration, model);
  PluginSpec spec = single_plugin(configuration, "precision");
  if (configuration.layer("precision") == Layer::fallback) log_info("no --precision: " + spec.name);
  const Plugin& precision = host.precision(spec.name);
  Selection choice{
      model, std::move(loader), BoundPlugin(precision, spec, configuration.layer("precision"), &host), {}, {}};
  choice.samplers = choose_samplers(host, configuration, precision.space);
  for (PluginSpec& sink : specs_of(configuration, "sink")) {
    const Plugin& plugin = host.get(Kind::sink, sink.name);
    choice.sinks.emplace_back(plugin, std::move(sink), configuration.layer("sink"), &host);
  }
  bind_options(configuration, host, choice.all());
  check_sinks(choice.sinks);
  return choice;
}

void warn_unused_device(const Configuration& configuration, std::span<const BoundPlugin> precisions) {
  const auto in_host = [](const BoundPlugin& one) { return one.plugin->space == Space::host; };
  if (configuration.layer("device") != Layer::command_line || !std::ranges::all_of(precisions, in_host)) return;
  log_warning("--device " + configuration.values().shown("device") + ": ignored, " + precisions[0].plugin->name +
              " uses no GPU");
}

namespace {

// A stop text with its escapes, which are JSON's, replaced. Those of a manifest are as they were found in a text.
std::string without_escapes(const std::string& stop, const Configuration& configuration) {
  if (configuration.recorded() && configuration.layer("stop") == Layer::file) return stop;
  std::string text;
  for (size_t i = 0; i < stop.size();) {
    const size_t begin = i;
    while (i < stop.size() && stop[i] != '\\') ++i;
    text.append(stop, begin, i - begin);
    const size_t escapes = i;  // as many as stand together, because two may be one character
    while (i < stop.size() && stop[i] == '\\') i = std::min(stop.size(), i + (stop.compare(i, 2, "\\u") == 0 ? 6 : 2));
    if (i == escapes) continue;
    const std::string found = stop.substr(escapes, i - escapes);
    const auto document = json::try_parse('"' + found + '"');
    const auto characters = document ? document->root().as_text() : std::nullopt;
    const bool is_half = !characters && found.starts_with("\\u") && found.size() >= 6 &&
                         found.find_first_not_of("0123456789abcdefABCDEF", 2) >= 6;
    if (is_half)
      usage_error(configuration.origin("stop"), ": expected a whole character, found half of one, ", in_quotes(found),
                  ": beyond \\uffff it takes both, such as \\ud83d\\ude00");
    if (!characters)
      usage_error(configuration.origin("stop"), ": expected \\n, \\t, \\\\ or \\u00e9 behind a backslash, found ",
                  in_quotes(found));
    text += *characters;
  }
  return text;
}

std::vector<std::string> stops_of(const Configuration& configuration) {
  std::vector<std::string> stops = configuration.list("stop");
  for (std::string& stop : stops) {
    if (stop.empty()) usage_error(configuration.origin("stop"), ": expected a text, found an empty one");
    // A manifest could not record it, and text is released in whole characters, so it would never be found.
    if (!is_utf8(stop)) usage_error(configuration.origin("stop"), ": expected UTF-8, found ", in_quotes(stop));
    stop = without_escapes(stop, configuration);
  }
  return stops;
}

// More threads than that only wait for each other.
void warn_of_many_threads(const Configuration& configuration, int32_t threads) {
  const int32_t available = processors();
  if (threads > 4 * available)
    log_warning(configuration.origin("threads") + " " + std::to_string(threads) + ": there are " +
                std::to_string(available) + " processors here, and more threads are slower");
}

}  // namespace

Generation generation_of(const Configuration& configuration) {
  const OptionValues& values = configuration.values();
  const Layer total = configuration.layer("n_gen"), fresh = configuration.layer("max_new_tokens");
  if (total == fresh && total != Layer::fallback)
    usage_error("--n_gen and -n (--max-new-tokens): give one of them; the first counts the prompt too");
  const auto small = [&](const char* key) { return static_cast<int32_t>(values.integer(key)); };
  if (total == fresh) log_info("no -n: " + values.shown("max_new_tokens") + " new tokens");
  Generation generation;
  generation.n_gen = small("n_gen");
  generation.max_new = total > fresh ? -1 : small("max_new_tokens");
  generation.samples = small("samples");
  generation.batch = small("batch");
  generation.threads = small("threads");
  generation.device = small("device");
  generation.recompute = values.flag("recompute");
  generation.context_shift = small("context_shift");
  if (generation.recompute && generation.context_shift != 0)
    usage_error(configuration.origin("context_shift"), ": not beside --recompute");
  if (generation.recompute) generation.chunk = INT32_MAX;  // a sequence is computed in one step
  generation.ignore_eos = values.flag("ignore_eos");
  generation.stops = stops_of(configuration);
  warn_of_many_threads(configuration, generation.threads);
  generation.seed = seed_of(configuration);
  return generation;
}

std::string type_name_of(const BoundPlugin& precision) {
  const std::optional<Type> type = type_of(precision);
  return type ? name_of(*type) : "";
}

std::optional<Type> type_of(const BoundPlugin& precision) {
  const std::string name = precision.values.declares("type") ? precision.values.shown("type")
                                                             : std::string(type_in_name(precision.plugin->name));
  for (const Type type : {Type::f32, Type::f16, Type::bf16, Type::i8, Type::u4})
    if (name == name_of(type)) return type;
  return std::nullopt;
}

std::optional<Type> head_type_of(const BoundPlugin& precision) {
  const std::optional<Type> type = type_of(precision);
  const std::string head = precision.values.declares("head") ? precision.values.shown("head") : "";
  const bool is_quantised = type == Type::i8 || type == Type::u4;
  if (head.empty()) return is_quantised ? quantised_type_of(Weight::head_w, *type) : type;
  if (head == "type") return type;
  for (const Type one : {Type::f32, Type::f16, Type::bf16, Type::i8, Type::u4})
    if (head == name_of(one)) return one;
  return std::nullopt;
}

}  // namespace gpt2run
