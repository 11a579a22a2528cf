// Writes the table and the JSON.
#include "gpt2perplexity/report.hpp"

#include <cmath>
#include <limits>

#include "common/program/columns.hpp"
#include "gpt2run/files/fingerprint.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

std::string shown(const Estimate& estimate, const char* format, const char* error_format) {
  const std::string value =
      shown_number(estimate.value, format) + " +- " + shown_number(estimate.standard_error, error_format);
  return std::isnan(estimate.standard_error)
             ? value
             : value + " (" + shown_number(estimate.batch_standard_error, error_format) + ")";
}

std::string shown(const Rule& rule) {
  const std::string length = std::to_string(rule.max_length);
  if (rule.protocol == Protocol::original) return "each prompt is one window, its first token is not scored";
  if (rule.protocol == Protocol::llama) return "windows of " + length + " tokens, of which the second half is scored";
  return "windows of " + length + " tokens, stride " + std::to_string(rule.stride);
}

int64_t tokens_of(const Work& work) {
  int64_t count = 0;
  for (const Prompt& text : work.texts) count += std::ssize(text.tokens);
  return count;
}

// A hash of all tokens, by which two results can be checked to be of the same texts.
std::string hash_of(const Work& work) {
  Fingerprint print;
  for (const Prompt& text : work.texts) {
    const auto count = static_cast<int64_t>(text.tokens.size());
    print.add(&count, sizeof count);
    print.add(text.tokens.data(), text.tokens.size() * sizeof text.tokens[0]);
  }
  return print.hex();
}

double number_of(const std::optional<double>& value) {
  return value ? *value : std::numeric_limits<double>::quiet_NaN();
}

void append_result(std::string& json, const Result& result) {
  json += "{";
  append_field(json, "precision", result.precision);
  append_field(json, "perplexity", result.perplexity.value);
  append_field(json, "standard_error", result.perplexity.standard_error);
  append_field(json, "batch_standard_error", result.perplexity.batch_standard_error);
  append_field(json, "nll", result.nll.value);
  append_field(json, "nll_standard_error", result.nll.standard_error);
  append_field(json, "nll_batch_standard_error", result.nll.batch_standard_error);
  append_field(json, "tokens", static_cast<double>(result.tokens));
  append_field(json, "bits_per_byte", number_of(result.bits_per_byte));
  append_key(json, "difference");
  if (!result.difference) {
    json += "null}";
    return;
  }
  json += "{";
  append_field(json, "nll", result.difference->value);
  append_field(json, "standard_error", result.difference->standard_error);
  append_field(json, "batch_standard_error", result.difference->batch_standard_error);
  json += "}}";
}

}  // namespace

std::string to_table(const Report& report) {
  const Work& work = *report.work;
  std::string text = "model     " + printable(report.model) + "\n";
  text += "protocol  " + report.protocol + ": " + shown(report.rule) + "\n";
  text += "scored    " + std::to_string(work.targets()) + " of " + std::to_string(tokens_of(work)) + " tokens, " +
          std::to_string(work.texts.size()) + (work.texts.size() == 1 ? " text" : " texts") +
          "\n+-        one standard error if tokens were independent; in brackets by batch means, without that "
          "assumption"
          "\n\n";
  std::vector<std::vector<std::string>> rows = {
      {"PRECISION", "PERPLEXITY", "MEAN NLL", "BITS PER BYTE", "NLL - THAT OF THE FIRST"}};
  for (const Result& result : report.results)
    rows.push_back({result.precision, shown(result.perplexity, "%.4f", "%.4f"), shown(result.nll, "%.6f", "%.6f"),
                    shown_number(number_of(result.bits_per_byte), "%.4f"),
                    result.difference ? shown(*result.difference, "%+.3e", "%.1e") : "-"});
  return text + in_columns(std::move(rows));
}

std::string to_json(const Report& report, const Manifest& manifest) {
  std::string json = "{";
  append_field(json, "protocol", report.protocol);
  append_field(json, "max_length", report.rule.max_length);
  append_field(json, "stride", report.rule.stride);
  append_field(json, "texts", static_cast<double>(report.work->texts.size()));
  append_field(json, "text_tokens", static_cast<double>(tokens_of(*report.work)));
  append_field(json, "text_hash", hash_of(*report.work));
  append_field(json, "bytes",
               report.bytes ? static_cast<double>(*report.bytes) : std::numeric_limits<double>::quiet_NaN());
  json += ",\n\"results\": [";
  for (size_t i = 0; i < report.results.size(); ++i) {
    json += i > 0 ? ",\n" : "\n";
    append_result(json, report.results[i]);
  }
  return json + "],\n\"manifest\": " + manifest.to_json() + "}\n";
}

}  // namespace gpt2run
