// Turns a sweep's options into those of its runs. Options that the sweep itself does not use are passed on unchanged.
#include "gpt2bench/sweep_plan.hpp"

#include <algorithm>
#include <cctype>

#include "common/config/create.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/pipeline/run_files.hpp"
#include "gpt2bench/plan.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr CoreOption kOwn[] = {
    {{"t", "text", "", "",
      "tokens of a whole sequence, prompt included, separated by commas; else those of 64,128,256,512,1024 that the "
      "model's "
      "context holds"}},
    {{"precision", "text", "fp32,fp16,bf16", "", "precisions, separated by commas"}},
    {{"sampler", "text", "", "",
      "sampler, or a chain; one for the host and one named device-NAME, else argmax and device-argmax"},
     0,
     true},
    {{"prompts", "text", "", "",
      "file of prompts, as for gpt2run; {t} in its name is the length, as in prompt_{t}.bin; else a few made up"},
     0,
     true},
    {{"out", "text", "timings", "", "folder for the results"}},
};

// Options of the pipeline that all runs share. The others direct output, or are set by the sweep.
constexpr const char* kShared[] = {"model",      "loader",    "recompute",  "seed",  "threads", "device",
                                   "no_special", "tokenizer", "plugin_dir", "quiet", "help",    "truncate_prompt"};

constexpr int kLengths[] = {64, 128, 256, 512, 1024};
constexpr int kMost = 1048576;

bool is_among(std::string_view name, std::span<const CoreOption> options) {
  return std::ranges::any_of(options, [&](const CoreOption& option) { return name == option.spec.key; });
}

bool is_own(std::string_view name) { return name == "quiet" || name == "help" || is_among(name, kOwn); }

// The arguments that all runs share, written as --name=value, so that a value may look like an option.
std::vector<std::string> shared_arguments(const std::vector<std::string>& arguments) {
  std::vector<std::string> shared;
  for (const Setting& setting : read_line(sweep_options(), arguments)) {
    if (is_own(setting.name)) continue;
    if (is_among(setting.name, pipeline_options()) && !is_among(setting.name, sweep_options()))
      usage_error(setting.origin, " is not an option of a sweep; --help lists what there is");
    std::string& argument = shared.emplace_back("--").append(setting.name);
    if (setting.has_value && !setting.value.empty()) argument.append("=").append(setting.value);
    if (setting.has_value && setting.value.empty()) shared.emplace_back();
  }
  return shared;
}

std::vector<std::string> joined(std::vector<std::string> all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Selection choose_for(PluginHost& host, const std::vector<std::string>& arguments) {
  Configuration configuration(pipeline_options(), arguments);
  return choose(host, configuration);
}

std::string upper(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return text;
}

std::string label_of(const BoundPlugin& precision) {
  const std::string type = type_name_of(precision);
  return upper(type.empty() ? precision.plugin->name : type);
}

// The placement of a chain is that of its last sampler, because all are in one memory space.
std::string placement_of(const std::string& chain) {
  return parse_plugin_list(chain, "--sampler").back().name.starts_with("device-") ? "device" : "host";
}

struct Named {
  std::string spec, label;
};

// Refuses two entries with the same label, because their runs would write the same files.
void add(std::vector<Named>& all, Named next, const char* option) {
  for (const Named& one : all)
    if (one.label == next.label)
      usage_error(option, ": the files of ", one.spec, " and ", next.spec, " would both be called ", next.label,
                  "; sweep them apart");
  all.push_back(std::move(next));
}

std::vector<Named> samplers_of(const Configuration& configuration) {
  std::vector<Named> samplers;
  std::vector<std::string> asked = configuration.list("sampler");
  if (asked.empty()) asked = {"argmax", "device-argmax"};
  for (const std::string& chain : asked) add(samplers, {chain, placement_of(chain)}, "--sampler");
  return samplers;
}

std::vector<int> lengths_of(const Configuration& configuration, const ModelConfig& model) {
  std::vector<int> lengths;
  if (configuration.layer("t") == Layer::fallback) {
    for (const int length : kLengths)
      if (length <= model.T) lengths.push_back(length);
    if (lengths.empty())
      usage_error("no --t: the shortest length that a sweep takes by itself is ", kLengths[0],
                  ", the model's context holds ", model.T, "; give --t with lengths up to ", model.T);
    return lengths;
  }
  lengths = numbers_of(configuration.values().text("t"), "--t", 2, kMost);
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] > model.T)
      usage_error("--t: expected at most ", model.T, ", the model's context, found ", lengths[i]);
    if (std::count(lengths.begin(), lengths.end(), lengths[i]) > 1) usage_error("--t: ", lengths[i], " is given twice");
  }
  return lengths;
}

// The prompts of a sweep without prompt files: token ids, different in each prompt.
std::vector<std::string> made_up_prompts(int length, const ModelConfig& model) {
  constexpr int kPrompts = 4, kTokens = 8;
  constexpr int64_t kStride = 7919;
  std::vector<std::string> arguments;
  for (int64_t prompt = 0; prompt < kPrompts; ++prompt) {
    std::string ids = "--tokens=";
    for (int64_t i = 0; i < std::min(kTokens, length - 1); ++i)
      ids.append(i > 0 ? " " : "").append(std::to_string((i + prompt) * kStride % model.V));
    arguments.push_back(std::move(ids));
  }
  return arguments;
}

std::vector<std::string> prompts_for(const Configuration& configuration, int length, const ModelConfig& model) {
  constexpr std::string_view kPlace = "{t}";
  if (configuration.list("prompts").empty()) return made_up_prompts(length, model);
  std::vector<std::string> arguments;
  bool has_rows = false;
  for (std::string file : configuration.list("prompts")) {
    if (file.empty() || file == "-")
      usage_error("--prompts: expected a file, which every run reads, found ", in_quotes(file));
    for (size_t at; (at = file.find(kPlace)) != file.npos;) file.replace(at, kPlace.size(), std::to_string(length));
    has_rows |= file.ends_with(".bin");
    arguments.push_back("--prompts=" + file);
  }
  if (has_rows) arguments.push_back("--t=" + std::to_string(length));
  return arguments;
}

}  // namespace

std::span<const CoreOption> sweep_options() {
  static const std::vector<CoreOption> options = [] {
    std::vector<CoreOption> all(std::begin(kOwn), std::end(kOwn));
    for (const CoreOption& option : pipeline_options())
      for (const char* shared : kShared)
        if (option.spec.key == std::string_view(shared)) all.push_back(option);
    return all;
  }();
  return options;
}

std::vector<SweepRun> plan_sweep(PluginHost& host, const Configuration& configuration,
                                 const std::vector<std::string>& arguments) {
  const std::vector<std::string> shared = joined(shared_arguments(arguments), {"--ignore_eos=on"});
  const std::vector<Named> samplers = samplers_of(configuration);
  std::vector<Named> precisions;
  ModelConfig model{};
  const std::vector<PluginSpec> all = parse_plugin_list(configuration.values().text("precision"), "--precision");
  host.note_precisions(names_of(all));
  for (const PluginSpec& spec : all) {
    const std::string asked = to_text(spec);
    for (const Named& sampler : samplers) {
      const Selection choice =
          choose_for(host, joined(shared, {"--precision=" + asked, "--sampler=" + sampler.spec, "--sink=timings"}));
      if (&sampler != &samplers.front()) continue;
      add(precisions, {asked, label_of(choice.precision)}, "--precision");
      if (precisions.size() == 1)
        model = open_model(*create<Loader>(choice.loader), choice.loader, choice.model)->config();
    }
  }
  const std::string out(configuration.values().text("out"));
  std::vector<SweepRun> runs;
  for (const int length : lengths_of(configuration, model)) {
    const std::vector<std::string> prompts = prompts_for(configuration, length, model);
    for (const Named& precision : precisions) {
      for (const Named& sampler : samplers) {
        SweepRun run{sampler.label, precision.label, length, joined(shared, prompts), "", out};
        run.manifest = out + "/manifests/" + run.name() + ".json";
        const PluginSpec sink{"timings", {{"out", out + "/timings_" + run.name() + ".json"}}};
        run.arguments = joined(std::move(run.arguments), {"--precision=" + precision.spec, "--sampler=" + sampler.spec,
                                                          "--n_gen=" + std::to_string(length),
                                                          "--sink=" + to_text(sink), "--manifest=" + run.manifest});
        runs.push_back(std::move(run));
      }
    }
  }
  return runs;
}

Composition compose(PluginHost& host, const SweepRun& run) {
  Configuration configuration(pipeline_options(), run.arguments);
  Selection choice = choose(host, configuration);
  for (const char* table : kTables)
    check_output(host, configuration, choice.model, choice.all(), {"--out", run.out + table});
  return Composition(host, configuration, std::move(choice));
}

}  // namespace gpt2run
