// What patches do, as tables and as JSON.
#include <algorithm>
#include <cmath>

#include "common/evaluation/texts.hpp"
#include "common/program/columns.hpp"
#include "gpt2compare/json_lists.hpp"
#include "gpt2compare/patching.hpp"
#include "gpt2run/json/json.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

constexpr size_t kMostPositions = 40;  // of a text in the table
constexpr size_t kMostOfToken = 10;    // characters of a token above a column

std::string quoted(int32_t token, const Tokenizer* tokenizer) { return in_quotes(token_text(token, tokenizer)); }

std::string chances(const Chances& before, const Chances& after, const char* what) {
  if (what == std::string_view("rank")) return std::to_string(before.rank) + " -> " + std::to_string(after.rank);
  return shown_number(std::exp(before.logprob), "%.4g") + " -> " + shown_number(std::exp(after.logprob), "%.4g");
}

std::string answers_table(const PatchedText& text, const Tokenizer* tokenizer) {
  std::vector<std::vector<std::string>> rows = {
      {"ANSWER", "PROBABILITY", "LOG-PROBABILITY CHANGE", "LOGIT CHANGE", "RANK"}};
  for (const AnswerChange& answer : text.answers)
    rows.push_back({quoted(answer.token, tokenizer), chances(answer.before, answer.after, "probability"),
                    shown_number(answer.after.logprob - answer.before.logprob, "%+.4g"),
                    shown_number(answer.after.logit - answer.before.logit, "%+.4g"),
                    chances(answer.before, answer.after, "rank")});
  return in_columns(std::move(rows));
}

std::string positions_table(const PatchedText& text, const Tokenizer* tokenizer) {
  std::vector<std::vector<std::string>> rows = {
      {"POSITION", "TOKEN", "KL(UNPATCHED || PATCHED), NATS", "MOST LIKELY NEXT", "WITH THE PATCH"}};
  const auto begin = std::ranges::find_if(
      text.positions, [&](const PatchedPosition& one) { return one.position >= text.first_patched; });
  const auto count = static_cast<size_t>(text.positions.end() - begin);
  const size_t left = count - std::min(count, kMostPositions);
  for (auto one = begin + static_cast<std::ptrdiff_t>(left); one != text.positions.end(); ++one)
    rows.push_back({std::to_string(one->position), quoted(one->token, tokenizer), shown_number(one->kl, "%.3g"),
                    quoted(one->top_before, tokenizer),
                    one->top_after == one->top_before ? "=" : quoted(one->top_after, tokenizer)});
  if (rows.size() == 1) return "the patch reaches no position of this text\n";
  return in_columns(std::move(rows)) +
         (left > 0 ? "the last positions; " + std::to_string(left) + " more in --json\n" : "");
}

std::string metric_text(const Sweep& sweep, const Tokenizer* tokenizer) {
  if (sweep.answers.size() == 1) return "the probability of " + quoted(sweep.answers[0], tokenizer);
  return "the logit of " + quoted(sweep.answers[0], tokenizer) + " minus that of " +
         quoted(sweep.answers[1], tokenizer);
}

// With three digits, and 0 without a sign.
std::string shown_effect(double effect) {
  const std::string text = shown_number(effect, "%.3f");
  return text == "-0.000" ? "0.000" : text;
}

// The map in blocks of columns that fit the width; layers go down, positions to the right.
std::string map_table(const SweepMap& map, const std::vector<int32_t>& tokens, const Tokenizer* tokenizer, int width) {
  const size_t count = map.positions.size();
  std::vector<std::string> heads;
  size_t widest = 6;  // of "-0.123"
  for (const int32_t position : map.positions) {
    heads.push_back(printable(token_text(tokens[position], tokenizer), kMostOfToken));
    widest = std::max(widest, heads.back().size() + 2);
  }
  const size_t label = std::string_view("POSITION").size(), room = std::max<int>(width, 0);
  const size_t columns = std::max<size_t>(1, (room - std::min(room, label)) / (widest + 2));
  std::string text;
  for (size_t begin = 0; begin < count; begin += columns) {
    const size_t end = std::min(count, begin + columns);
    std::vector<std::vector<std::string>> rows = {{"POSITION"}, {"LAYER"}};
    for (size_t c = begin; c < end; ++c) {
      rows[0].push_back(std::to_string(map.positions[c]));
      rows[1].push_back('"' + heads[c] + '"');
    }
    for (size_t l = 0; l < map.layers.size(); ++l) {
      rows.push_back({map.layers[l] < 0 ? "-" : std::to_string(map.layers[l])});
      for (size_t c = begin; c < end; ++c) rows.back().push_back(shown_effect(map.effects[l * count + c]));
    }
    text.append(in_columns(std::move(rows))).append("\n");
  }
  return text;
}

std::string largest_effect(const Sweep& sweep, const std::vector<int32_t>& tokens, const Tokenizer* tokenizer) {
  const SweepMap* best = nullptr;
  size_t at = 0;
  for (const SweepMap& map : sweep.maps)
    for (size_t i = 0; i < map.effects.size(); ++i)
      if (!best || std::fabs(map.effects[i]) > std::fabs(best->effects[at])) best = &map, at = i;
  if (!best) return "";
  const int32_t layer = best->layers[at / best->positions.size()];
  const int32_t position = best->positions[at % best->positions.size()];
  if (shown_effect(best->effects[at]) == "0.000") return "no effect is as large as 0.001\n";
  return "the largest effect is " + shown_effect(best->effects[at]) + ", of " + name_of(best->op) +
         (layer < 0 ? "" : " of layer " + std::to_string(layer)) + " at position " + std::to_string(position) + ", " +
         quoted(tokens[position], tokenizer) + "\n";
}

std::string sweep_table(const Patching& patching, int width) {
  const Sweep& sweep = *patching.sweep;
  const std::vector<int32_t>& tokens = patching.texts[0].tokens;
  std::string text = "--patch_sweep ";
  text.append(printable(sweep.text)).append("\n").append(metric_text(sweep, patching.tokenizer)).append(": ");
  if (sweep.clean)
    text += shown_number(*sweep.clean, "%.4g") + " after the donor (clean), " + shown_number(sweep.corrupted, "%.4g") +
            " after the prompt (corrupted)\neffect = (patched - corrupted) / (clean - corrupted): 0 changes nothing, 1 "
            "restores all\n\n";
  else
    text += shown_number(sweep.corrupted, "%.4g") + " after the prompt\neffect = patched - unpatched\n\n";
  for (const SweepMap& map : sweep.maps)
    text += std::string(name_of(map.op)) + "\n" + map_table(map, tokens, patching.tokenizer, width);
  return text + largest_effect(sweep, tokens, patching.tokenizer);
}

void add_chances(JsonWriter& json, std::string_view key, const Chances& chances) {
  json.key(key);
  json.begin_object();
  add(json, "logit", chances.logit);
  add(json, "logprob", chances.logprob);
  json.field("rank", chances.rank);
  json.end_object();
}

void add_text(JsonWriter& json, const PatchedText& text, const Tokenizer* tokenizer) {
  json.field("first_patched", text.first_patched);
  add_objects(json, "positions", text.positions, [&](const PatchedPosition& one) {
    json.field("position", one.position);
    json.field("token", one.token);
    json.field("text", token_text(one.token, tokenizer));
    add(json, "kl", one.kl);
    json.field("top_before", one.top_before);
    json.field("top_after", one.top_after);
  });
  add_objects(json, "answers", text.answers, [&](const AnswerChange& answer) {
    json.field("token", answer.token);
    json.field("text", token_text(answer.token, tokenizer));
    add_chances(json, "before", answer.before);
    add_chances(json, "after", answer.after);
  });
}

// (layers, positions), row by row.
void add_rows(JsonWriter& json, std::string_view key, const SweepMap& map, const std::vector<double>& values) {
  size_t at = 0;
  add_list(json, key, map.layers, [&](int32_t) {
    json.begin_list();
    for (size_t i = 0; i < map.positions.size(); ++i) json.raw(json::real_text(values[at++]));
    json.end_list();
  });
}

void add_sweep(JsonWriter& json, const Patching& patching) {
  const Sweep& sweep = *patching.sweep;
  const std::vector<int32_t>& tokens = patching.texts[0].tokens;
  json.key("sweep");
  json.begin_object();
  json.field("patch", sweep.text);
  json.field("metric", sweep.answers.size() == 1 ? "probability" : "logit_difference");
  add_objects(json, "answers", sweep.answers, [&](int32_t token) {
    json.field("token", token);
    json.field("text", token_text(token, patching.tokenizer));
  });
  if (sweep.clean)
    add(json, "clean", *sweep.clean);
  else
    json.field("clean", nullptr);
  add(json, "corrupted", sweep.corrupted);
  add_objects(json, "maps", sweep.maps, [&](const SweepMap& map) {
    json.field("op", name_of(map.op));
    add_list(json, "layers", map.layers, [&](int32_t layer) { json.value(layer); });
    add_list(json, "positions", map.positions, [&](int32_t position) { json.value(position); });
    add_list(json, "texts", map.positions,
             [&](int32_t position) { json.value(token_text(tokens[position], patching.tokenizer)); });
    add_rows(json, "values", map, map.values);
    add_rows(json, "effects", map, map.effects);
  });
  json.end_object();
}

}  // namespace

std::string to_table(const Patching& patching, int width) {
  std::string text = printable(patching.precision) + "\n";
  for (const std::string& patch : patching.patches) text.append("--patch ").append(printable(patch)).append("\n");
  for (size_t t = 0; t < patching.patched.size(); ++t) {
    text.append("\n").append(in_quotes(patching.texts[t].text)).append("\n");
    text.append(positions_table(patching.patched[t], patching.tokenizer)).append("\n");
    text += answers_table(patching.patched[t], patching.tokenizer);
  }
  if (patching.sweep) text += (patching.patched.empty() ? "" : "\n") + sweep_table(patching, width);
  return text;
}

std::string to_json(const Patching& patching) {
  const json::Document manifest = json::parse(patching.manifest, "the manifest");
  JsonWriter json(1);
  json.begin_object();
  json.field("precision", patching.precision);
  add_list(json, "patches", patching.patches, [&](const std::string& patch) { json.value(patch); });
  json.key("manifest");
  write(json, manifest.root());
  add_objects(json, "texts", patching.patched,
              [&](const PatchedText& text) { add_text(json, text, patching.tokenizer); });
  if (patching.sweep) add_sweep(json, patching);
  json.end_object();
  return json.json() + "\n";
}

}  // namespace gpt2run
