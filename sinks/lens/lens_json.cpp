#include "lens_json.hpp"

#include <cmath>
#include <set>

#include "../common/token_text.hpp"

namespace gpt2run {
namespace {

// Opens an object with the id and the text of a token.
void open_token(std::string& line, int32_t id, const TokenTexts& texts) {
  line += "{\"id\": " + std::to_string(id);
  if (const std::string_view* text = texts.find(id)) append_token_text(line, *text);
}

void append_reading(std::string& line, const std::string& after, const RowReading& reading, const TokenTexts& texts) {
  line += "{\"after\": " + json_quoted(after) + ", \"final_probability\": ";
  append_number(line, std::exp(reading.logprob));
  append_number(line += ", \"final_logprob\": ", reading.logprob);
  line += ", \"final_rank\": " + (reading.rank > 0 ? std::to_string(reading.rank) : "null") + ", \"top\": [";
  for (const RowToken& token : reading.top) {
    if (line.back() == '}') line += ", ";
    open_token(line, token.id, texts);
    append_number(line += ", \"probability\": ", std::exp(token.logprob));
    append_number(line += ", \"logprob\": ", token.logprob);
    line += '}';
  }
  line += "]}";
}

void append_page_reading(JsonWriter& json, const RowReading& reading) {
  const auto probability = [&](float logprob) {
    std::string number;
    append_number(number, std::round(std::exp(logprob) * 1e6f) / 1e6f);
    json.raw(number);
  };
  json.begin_list();
  probability(reading.logprob);
  json.value(reading.rank);
  json.begin_list();
  for (const RowToken& token : reading.top) {
    json.begin_list();
    json.value(token.id);
    probability(token.logprob);
    json.end_list();
  }
  json.end_list();
  json.end_list();
}

std::set<int32_t> tokens_of(const LensRecord& record) {
  std::set<int32_t> ids;
  for (const auto& [number, position] : record.positions) {
    ids.insert({position.id, position.final});
    for (const RowReading& reading : position.layers)
      for (const RowToken& token : reading.top) ids.insert(token.id);
  }
  return ids;
}

}  // namespace

std::string lens_lines(uint64_t sequence, const LensRecord& record, const TokenTexts& texts) {
  std::string lines;
  for (const auto& [number, position] : record.positions) {
    std::string line = "{\"sequence\": " + std::to_string(sequence);
    if (!record.name.empty()) append_key(line, "id"), line += record.name;
    line += ", \"position\": " + std::to_string(number) + ", \"token\": ";
    open_token(line, position.id, texts);
    line += "}, \"final\": ";
    if (position.final >= 0)
      open_token(line, position.final, texts), line += '}';
    else
      line += "null";
    line += ", \"layers\": [";
    for (size_t layers = 0; layers < position.layers.size(); ++layers) {
      if (layers > 0) line += ", ";
      append_reading(line, name_after(layers), position.layers[layers], texts);
    }
    lines += line + "]}\n";
  }
  return lines;
}

std::string lens_page_data(uint64_t sequence, const LensRecord& record, const TokenTexts& texts) {
  JsonWriter json(-1);
  json.begin_object();
  json.field("sequence", sequence);
  json.key("texts");
  json.begin_object();
  for (const int32_t id : tokens_of(record))
    if (id >= 0) json.field(std::to_string(id), texts.shown(id));
  json.end_object();
  json.key("names");
  json.begin_list();
  const size_t rows = record.positions.empty() ? 0 : record.positions.begin()->second.layers.size();
  for (size_t layers = 0; layers < rows; ++layers) json.value(name_after(layers));
  json.end_list();
  json.key("positions");
  json.begin_list();
  for (const auto& [number, position] : record.positions) {
    json.begin_object();
    json.field("position", number);
    json.field("id", position.id);
    json.field("final", position.final);
    json.key("layers");
    json.begin_list();
    for (const RowReading& reading : position.layers) append_page_reading(json, reading);
    json.end_list();
    json.end_object();
  }
  json.end_list();
  json.end_object();
  return json.json();
}

}  // namespace gpt2run
