#include "gpt2serve/completion_request.hpp"

#include <charconv>
#include <random>

#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/select.hpp"
#include "gpt2serve/api_error.hpp"

namespace gpt2run {
namespace {

constexpr std::string_view kFields[] = {"model",
                                        "prompt",
                                        "max_tokens",
                                        "temperature",
                                        "top_p",
                                        "top_k",
                                        "min_p",
                                        "sampler",
                                        "n",
                                        "seed",
                                        "stop",
                                        "logprobs",
                                        "echo",
                                        "logit_bias",
                                        "presence_penalty",
                                        "frequency_penalty",
                                        "stream",
                                        "stream_options",
                                        "ignore_eos",
                                        "command",
                                        "user",
                                        "best_of",
                                        "suffix"};

constexpr int64_t kMostTokens = 1048576;
constexpr int32_t kMostN = 128, kMostLogprobs = 20;
constexpr size_t kMostStops = 16, kMostStop = 1000, kMostBiases = 1024, kMostChain = 4000;
constexpr size_t kMostPrompts = 4096;

Prompt start_of_text(const ModelSet& models) {
  const int32_t start = models.start_of_text();
  if (start < 0) refuse("prompt", "the model has no token to start from; give a prompt");
  return {"", {start}};
}

Prompt prompt_of(const json::Value& given, const ModelSet& models) {
  Prompt prompt;
  if (const auto text = given.as_text()) {
    if (text->empty()) return start_of_text(models);
    prompt.text = *text;
    prompt.tokens = models.encoded(prompt.text, "prompt");
  } else {
    prompt.tokens = ids_of(given, "prompt", SIZE_MAX, models.config().V);
  }
  if (prompt.tokens.empty()) refuse("prompt", "expected at least one token, found none");
  check_length("prompt", prompt.tokens.size(), models.most_prompt());
  return prompt;
}

std::vector<Prompt> prompts_of(const Fields& fields, const ModelSet& models) {
  const std::optional<json::Value> given = fields.find("prompt");
  if (!given) return {start_of_text(models)};
  const bool is_list = given->type() == json::Type::list;
  if (!is_list && !given->as_text())
    refuse("prompt", "expected a text, a list of texts, or token ids, found ", given->description());
  if (!is_list || is_list_of_ids(*given)) return {prompt_of(*given, models)};
  const auto elements = given->elements();
  if (elements.size() > kMostPrompts)
    refuse("prompt", "expected at most ", kMostPrompts, " prompts, found ", elements.size());
  const json::Type type = elements.front().type();
  std::vector<Prompt> prompts;
  for (const json::Value& element : elements) {
    if (element.type() != type || (type != json::Type::text && type != json::Type::list))
      refuse("prompt", "expected texts alone or lists of token ids alone, found ", element.description());
    prompts.push_back(prompt_of(element, models));
  }
  return prompts;
}

std::vector<std::pair<int32_t, double>> biases_of(const Fields& fields, int32_t vocabulary) {
  const std::optional<json::Value> given = fields.find("logit_bias");
  if (!given) return {};
  constexpr char kName[] = "logit_bias";
  constexpr double kMost = 100;
  if (given->type() != json::Type::object) refuse(kName, "expected an object, found ", given->description());
  const auto members = given->members();
  if (members.size() > kMostBiases) refuse(kName, "expected at most ", kMostBiases, " tokens, found ", members.size());
  std::vector<std::pair<int32_t, double>> biases;
  for (const json::Member& member : members) {
    int32_t id = -1;
    const char* end = member.key.data() + member.key.size();
    const auto [rest, code] = std::from_chars(member.key.data(), end, id);
    if (code != std::errc() || rest != end || id < 0 || id >= vocabulary)
      refuse(kName, "expected token ids in [0, ", vocabulary, ") as keys, found ", in_quotes(member.key));
    const std::optional<double> bias = member.value.as_number();
    if (!bias || !(*bias >= -kMost && *bias <= kMost))
      refuse(kName, "expected numbers in [-100, 100], found ", member.value.description());
    for (const auto& [other, value] : biases)
      if (other == id) refuse(kName, "token ", id, " is given twice");
    biases.emplace_back(id, *bias);
  }
  return biases;
}

uint64_t seed_of(const Fields& fields) {
  const std::optional<json::Value> given = fields.find("seed");
  if (!given) {
    constexpr int kBits = 53;  // of which a number of JavaScript loses none
    std::random_device device;
    return (uint64_t(device()) << 32 | device()) >> (64 - kBits);
  }
  const std::optional<uint64_t> seed = given->as_unsigned();
  if (!seed) refuse("seed", "expected a whole number in [0, 2^64), found ", given->description());
  return *seed;
}

SamplingRequest sampling_of(const Fields& fields, int32_t vocabulary) {
  SamplingRequest sampling = nucleus_fields(fields);
  constexpr double kMostPenalty = 2;
  if (const auto chain = fields.text("sampler")) sampling.chain = *chain;
  if (sampling.chain.size() > kMostChain) refuse("sampler", "expected at most ", kMostChain, " bytes");
  sampling.logit_bias = biases_of(fields, vocabulary);
  sampling.presence_penalty = fields.real("presence_penalty", {-kMostPenalty, kMostPenalty}).value_or(0);
  sampling.frequency_penalty = fields.real("frequency_penalty", {-kMostPenalty, kMostPenalty}).value_or(0);
  return sampling;
}

bool wants_usage(const Fields& fields, bool streams) {
  const std::optional<json::Value> given = fields.find("stream_options");
  if (!given) return false;
  constexpr char kName[] = "stream_options";
  if (!streams) refuse(kName, "only with stream true");
  bool include_usage = false;
  for (const json::Member& member : given->members()) {
    const std::optional<bool> flag = member.value.as_flag();
    if (member.key != "include_usage" || !flag)
      refuse(kName, "expected {\"include_usage\": true}, found ", in_quotes(member.key));
    include_usage = *flag;
  }
  if (given->type() != json::Type::object)
    refuse(kName, "expected {\"include_usage\": true}, found ", given->description());
  return include_usage;
}

// Fields of OpenAI's that other values than the default are refused of, since they are not supported.
void check_unsupported(const Fields& fields, int32_t n) {
  if (const auto best = fields.integer("best_of", 1, kMostN); best && *best != n)
    refuse("best_of", "this server does not choose among more completions than n");
  if (fields.find("suffix")) refuse("suffix", "this server does not insert text");
  fields.text("user");
}

}  // namespace

SamplingRequest nucleus_fields(const Fields& fields) {
  SamplingRequest sampling;
  sampling.temperature = fields.real("temperature", {0, 2});
  sampling.top_p = fields.real("top_p", {0, 1, true});
  sampling.min_p = fields.real("min_p", {0, 1});
  sampling.top_k = fields.integer("top_k", 0, kMaxVocab);
  return sampling;
}

CompletionRequest parse_completion(const std::string& body, const ModelSet& models, int64_t most_choices) {
  const Fields fields(body, kFields);
  CompletionRequest request;
  request.engine = &models.find(fields.text("model").value_or(""));
  request.prompts = prompts_of(fields, models);
  request.max_tokens = fields.integer("max_tokens", 0, kMostTokens).value_or(request.max_tokens);
  request.n = static_cast<int32_t>(fields.integer("n", 1, kMostN).value_or(1));
  check_unsupported(fields, request.n);
  if (std::cmp_greater(request.choices(), most_choices))
    refuse("n", "expected at most ", most_choices, " choices, prompts x n, found ", request.choices());
  request.seed = seed_of(fields);
  request.stops = fields.texts("stop", kMostStops, true);
  for (const std::string& stop : request.stops)
    if (stop.empty() || stop.size() > kMostStop)
      refuse("stop", "expected texts of 1 to ", kMostStop, " bytes, found one of ", stop.size());
  if (!request.stops.empty() && !models.tokenizer()) refuse("stop", "the model has no tokenizer, so no text is found");
  if (const auto count = fields.integer("logprobs", 0, kMostLogprobs)) request.logprobs = static_cast<int32_t>(*count);
  request.echo = fields.flag("echo").value_or(false);
  request.stream = fields.flag("stream").value_or(false);
  request.include_usage = wants_usage(fields, request.stream);
  request.ignore_eos = fields.flag("ignore_eos").value_or(false);
  request.command = fields.flag("command").value_or(false);
  request.plan = models.samplers().plan(sampling_of(fields, models.config().V), request.engine->space());
  return request;
}

}  // namespace gpt2run
