#include "gpt2serve/metrics.hpp"

#include <algorithm>

#include "gpt2run/engine/request.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

// A label's value: backslash, quote and line end are escaped.
std::string label(const std::string& name, std::string_view value) {
  std::string text = name + "=\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    c == '\n' ? text += "\\n" : text += c;
  }
  return text + '"';
}

void begin(std::string& text, const std::string& name, const char* type, const char* help) {
  text.append("# HELP ").append(name).append(" ").append(help).append("\n");
  text.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void sample(std::string& text, const std::string& name, const std::string& labels, double value) {
  text += name;
  if (!labels.empty()) text.append("{").append(labels).append("}");
  text += ' ';
  append_number(text, value);
  text += '\n';
}

struct ModelNumber {
  const char *name, *type, *help;
  std::atomic<int64_t> ModelMetrics::*value;
};
constexpr ModelNumber kNumbers[] = {
    {"gpt2serve_prompt_tokens_total", "counter", "Tokens of prompts.", &ModelMetrics::prompt_tokens},
    {"gpt2serve_cached_tokens_total", "counter", "Of these, tokens that were not computed again.",
     &ModelMetrics::cached_tokens},
    {"gpt2serve_new_tokens_total", "counter", "Tokens that were generated.", &ModelMetrics::new_tokens},
    {"gpt2serve_steps_total", "counter", "Forward passes.", &ModelMetrics::steps},
    {"gpt2serve_rows_total", "counter", "Rows of all forward passes.", &ModelMetrics::rows},
    {"gpt2serve_waiting", "gauge", "Completions without a slot.", &ModelMetrics::waiting},
    {"gpt2serve_running", "gauge", "Completions with a slot.", &ModelMetrics::running},
};

}  // namespace

void TimeHistogram::add(double seconds) {
  const auto bucket = static_cast<size_t>(std::ranges::lower_bound(kBounds, seconds) - kBounds.begin());
  const std::lock_guard lock(mutex_);
  ++counts_[bucket], ++count_;
  sum_ += seconds;
}

void TimeHistogram::write(std::string& text, const std::string& name, const std::string& labels) const {
  const std::lock_guard lock(mutex_);
  uint64_t below = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    below += counts_[i];
    std::string bound = "+Inf";
    if (i < kBounds.size()) append_number(bound = "", kBounds[i]);
    sample(text, name + "_bucket", labels + ",le=\"" + bound + "\"", static_cast<double>(below));
  }
  sample(text, name + "_sum", labels, sum_);
  sample(text, name + "_count", labels, static_cast<double>(count_));
}

ModelMetrics& Metrics::add(const std::string& model, int64_t slots) {
  ModelMetrics& added = models_.emplace_back();
  added.model = model, added.slots = slots;
  return added;
}

void Metrics::count_request(const std::string& route, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{route, status}];
}

std::string Metrics::text(int64_t connections) const {
  std::string text;
  begin(text, "gpt2serve_requests_total", "counter", "Requests that were answered.");
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, count] : requests_)
      sample(text, "gpt2serve_requests_total",
             label("route", key.first) + "," + label("code", std::to_string(key.second)), static_cast<double>(count));
  }
  begin(text, "gpt2serve_connections", "gauge", "Open connections.");
  sample(text, "gpt2serve_connections", "", static_cast<double>(connections));
  const auto of_each = [&](const std::string& name, const char* type, const char* help, const auto& value) {
    begin(text, name, type, help);
    for (const ModelMetrics& one : models_)
      sample(text, name, label("model", one.model), static_cast<double>(value(one)));
  };
  for (const ModelNumber& number : kNumbers)
    of_each(number.name, number.type, number.help, [&](const ModelMetrics& one) { return (one.*number.value).load(); });
  of_each("gpt2serve_slots", "gauge", "Completions that can run at a time.",
          [](const ModelMetrics& one) { return one.slots; });
  of_each("gpt2serve_engine_failed", "gauge", "1 after the engine of the model has thrown.",
          [](const ModelMetrics& one) { return one.failed ? 1 : 0; });
  begin(text, "gpt2serve_finished_total", "counter", "Completions that ended, by reason.");
  for (const ModelMetrics& one : models_)
    for (size_t reason = 0; reason < one.finished.size(); ++reason)
      sample(text, "gpt2serve_finished_total",
             label("model", one.model) + "," + label("reason", name_of(static_cast<Reason>(reason))),
             static_cast<double>(one.finished[reason]));
  begin(text, "gpt2serve_first_token_seconds", "histogram", "From a request's arrival to its first token.");
  for (const ModelMetrics& one : models_)
    one.first_token.write(text, "gpt2serve_first_token_seconds", label("model", one.model));
  begin(text, "gpt2serve_token_seconds", "histogram", "Between two tokens of a completion.");
  for (const ModelMetrics& one : models_) one.token.write(text, "gpt2serve_token_seconds", label("model", one.model));
  return text;
}

}  // namespace gpt2run
