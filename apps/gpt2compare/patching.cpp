// The steps of a run with patches.
#include "gpt2compare/patching.hpp"

#include <algorithm>
#include <cmath>

#include "common/config/record.hpp"
#include "common/evaluation/texts.hpp"
#include "common/pipeline/loader_choice.hpp"
#include "common/pipeline/patches.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/program/progress.hpp"
#include "common/prompts/prompts.hpp"
#include "common/ranks/ranked_start.hpp"
#include "gpt2run/evaluation/divergence.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/log_softmax.hpp"

namespace gpt2run {
namespace {

constexpr int32_t kTogether = 16;  // patched texts of a sweep that are fed at a time

std::vector<const char*> precision_option(const Configuration& configuration) {
  single_plugin(configuration, "ref");
  return {"ref"};
}

Chances chances_of(std::span<const float> logits, int32_t token) {
  const float own = logits[token];
  int64_t rank = 1;
  for (int32_t id = 0; id < std::ssize(logits); ++id) rank += logits[id] > own || (logits[id] == own && id < token);
  return {own, log_probability(logits.data(), static_cast<int>(logits.size()), token), rank};
}

int32_t first_position(std::span<const BoundPatch> patches) {
  int32_t first = PatchRange::kOpen;
  for (const BoundPatch& patch : patches)
    for (const PatchRange& range : patch.patch().positions) first = std::min(first, range.first);
  return first;
}

// The layers and positions of a patch, with room for their values.
SweepMap map_of(const BoundPatch& patch, int32_t layers, int32_t length) {
  SweepMap map{patch.patch().op, {}, {}, {}, {}};
  if (!has_layers(map.op)) map.layers = {-1};
  for (int32_t layer = 0; layer < layers; ++layer)
    if (patch.patch().is_in(layer)) map.layers.push_back(layer);
  for (int32_t position = 0; position < length; ++position)
    if (patch.applies(map.op, map.layers.front(), position)) map.positions.push_back(position);
  map.values.resize(map.layers.size() * map.positions.size());
  return map;
}

// One layer and position of a sweep.
struct Cell {
  size_t map, index;  // of its value
  int32_t position;
  std::vector<BoundPatch> patches;
};

// Position after position, so that texts that are fed together have the same length.
std::vector<Cell> cells_of(std::span<const SweepMap> maps, std::span<const BoundPatch> swept,
                           const std::vector<BoundPatch>& base, int32_t length) {
  std::vector<Cell> cells;
  for (int32_t position = 0; position < length; ++position)
    for (size_t m = 0; m < maps.size(); ++m) {
      const auto at = std::ranges::find(maps[m].positions, position);
      if (at == maps[m].positions.end()) continue;
      const auto column = static_cast<size_t>(at - maps[m].positions.begin());
      for (size_t l = 0; l < maps[m].layers.size(); ++l) {
        cells.push_back({m, l * maps[m].positions.size() + column, position, base});
        cells.back().patches.push_back(swept[m].only(maps[m].layers[l], position));
      }
    }
  return cells;
}

// Throws Error for an effect that is not a number.
void check_effects(const SweepMap& map) {
  const auto is_wrong = [](double effect) { return !std::isfinite(effect); };
  const auto wrong = std::ranges::find_if(map.effects, is_wrong);
  if (wrong == map.effects.end()) return;
  const auto at = static_cast<size_t>(wrong - map.effects.begin());
  const int32_t layer = map.layers[at / map.positions.size()];
  const auto more = std::ranges::count_if(map.effects, is_wrong) - 1;
  fail("--patch_sweep: ", name_of(map.op), layer < 0 ? "" : " of layer " + std::to_string(layer), " at position ",
       map.positions[at % map.positions.size()], ": expected a number as effect, found ",
       std::isnan(*wrong) ? "NaN" : "infinity", more > 0 ? ", and at " + std::to_string(more) + " more places" : "",
       "; the patched values overflow the precision");
}

// What a text becomes without the tokens that stand before every text.
std::vector<int32_t> tokens_of(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int32_t> tokens = tokenizer.encode(text, false);
  const auto beginning = static_cast<std::ptrdiff_t>(tokenizer.encode("", false).size());
  tokens.erase(tokens.begin(), tokens.begin() + std::min(beginning, std::ssize(tokens)));
  return tokens;
}

}  // namespace

PatchingRun::PatchingRun(PluginHost& host, Configuration& configuration, Ranks& ranks)
    : configuration_(configuration),
      ranks_(ranks),
      evaluation_(host, configuration, precision_option(configuration)),
      instance_(create_instance(evaluation_.precisions()[0], evaluation_.checkpoint())) {
  check_output(host, configuration, evaluation_.model(), evaluation_.plugins(),
               {"--json", configuration.values().text("json")});
  const ModelConfig& model = evaluation_.checkpoint().config();
  result_.precision = instance_.name;
  result_.tokenizer = evaluation_.tokenizer();
  result_.texts = texts_of(configuration, evaluation_.tokenizer(), model);
  for (size_t t = 0; t < result_.texts.size(); ++t)
    if (std::ssize(result_.texts[t].tokens) > model.T)
      fail("text ", t, " has ", result_.texts[t].tokens.size(), " tokens, the model's context holds ", model.T);
  result_.patches = configuration.list("patch");
  patches_ = patches_of(configuration, evaluation_.tokenizer(), model, result_.texts, 0);
  read_answers(configuration);
  read_sweep(configuration);
  all_ = patches_;
  all_.insert(all_.end(), swept_.begin(), swept_.end());
}

void PatchingRun::read_answers(const Configuration& configuration) {
  const std::string origin = configuration.origin("answer");
  for (const std::string& given : configuration.list("answer")) {
    const bool is_id = given.starts_with('#') && given.size() > 1;
    if (!is_id && !evaluation_.tokenizer())
      usage_error(origin, ": the model has no tokenizer, so a token is named by its id, such as #13, found ",
                  in_quotes(given));
    const std::vector<int32_t> tokens =
        is_id ? parse_tokens(std::string_view(given).substr(1), origin, evaluation_.checkpoint().config().V)
              : tokens_of(*evaluation_.tokenizer(), given);
    if (tokens.size() != 1)
      usage_error(origin, ": expected the text of one token, found ", in_quotes(given), ", which is ", tokens.size(),
                  " tokens");
    if (std::ranges::find(answers_, tokens[0]) != answers_.end())
      usage_error(origin, ": ", in_quotes(given), " is given twice");
    answers_.push_back(tokens[0]);
  }
}

void PatchingRun::read_sweep(const Configuration& configuration) {
  const std::string text(configuration.values().text("patch_sweep")), origin = configuration.origin("patch_sweep");
  if (text.empty()) return;
  const PatchTexts texts{evaluation_.tokenizer(), !configuration.values().flag("no_special")};
  swept_ = parse_patches(text, origin, texts, evaluation_.checkpoint().config());
  if (result_.texts.size() != 1) usage_error(origin, ": expected one text, found ", result_.texts.size());
  const size_t length = result_.texts[0].tokens.size();
  for (const Patch& patch : swept_)
    if (patch.source == PatchSource::from && patch.donor.size() != length)
      usage_error(origin, ": expected a text of as many tokens as the prompt's ", length,
                  ", so that each position has its counterpart, found ", patch.donor.size());
  for (const Patch& patch : swept_) check_patch_on_prompts(patch, result_.texts, 0, origin);
  if (answers_.size() > 2)
    usage_error(configuration.origin("answer"), ": expected one or two, found ", answers_.size());
  result_.sweep.emplace().text = text;
}

void PatchingRun::open() {
  const Resources resources = resources_of(configuration_, ranks_);
  int32_t context = 1;
  for (const Prompt& text : result_.texts) {
    const auto length = static_cast<int32_t>(text.tokens.size());
    context = std::max({context, length, context_of(all_, length)});
  }
  const bool is_sweep = !swept_.empty();
  limits_ = feed_limits(is_sweep ? kTogether + 1 : 2, context, patches_.empty() ? FedRows::last : FedRows::all,
                        resources.threads, resources.device);
  instance_.session = instance_.precision->open(evaluation_.checkpoint(), limits_);
  if (!instance_.session->tap(nullptr))
    fail("precision ", instance_.name, ": it has no taps, so nothing can be patched");
  feed_.emplace(*instance_.session, limits_, all_);
}

void PatchingRun::run() {
  open();
  for (const Prompt& text : result_.texts) {
    end_if_asked(ranks_, ", ", result_.patched.size(), " of ", result_.texts.size(), " texts were compared");
    if (!patches_.empty()) result_.patched.push_back(compare(text));
  }
  if (!swept_.empty()) sweep();
  result_.manifest = manifest().to_json();
}

PatchBinder PatchingRun::binder() {
  return {*instance_.session, evaluation_.checkpoint().config(), limits_,
          [this] { end_if_asked(ranks_, " while what operations write for other texts was recorded"); }};
}

// Reads a text in two slots at once, without patches in the first and with them in the second.
PatchedText PatchingRun::compare(const Prompt& text) {
  PatchBinder binder = this->binder();
  std::vector<BoundPatch> bound;
  for (const Patch& patch : patches_) bound.push_back(binder.bind(patch, text.tokens));
  PatchedText found;
  found.first_patched = first_position(bound);
  const FedText both[] = {{text.tokens, {}}, {text.tokens, bound}};
  const auto last = static_cast<int32_t>(text.tokens.size()) - 1;
  std::vector<std::vector<float>> before(text.tokens.size());
  DivergenceMeter meter;
  feed_->run(both, 0, FedRows::all, [&](size_t which, int32_t position, std::span<const float> logits) {
    if (which == 0) return before[position].assign(logits.begin(), logits.end());
    if (std::ranges::any_of(logits, [](float logit) { return std::isnan(logit); }))
      fail("--patch: expected numbers as logits after position ", position,
           " with the patches, found NaN; the patched values overflow the precision");
    const std::vector<float> unpatched = std::move(before[position]);
    const RowDivergence row = meter.compare(unpatched, logits, 0);
    found.positions.push_back(
        {position, text.tokens[position], row[Metric::kl_ref_test], row.ref_token, row.test_token});
    if (position < last) return;
    std::vector<int32_t> answers = answers_;
    if (answers.empty()) answers = {row.ref_token};
    if (answers_.empty() && row.test_token != row.ref_token) answers.push_back(row.test_token);
    for (const int32_t token : answers)
      found.answers.push_back({token, chances_of(unpatched, token), chances_of(logits, token)});
  });
  return found;
}

double PatchingRun::metric(std::span<const float> logits) const {
  const std::vector<int32_t>& answers = result_.sweep->answers;
  if (answers.size() == 2) return double{logits[answers[0]]} - logits[answers[1]];
  return std::exp(log_probability(logits.data(), static_cast<int>(logits.size()), answers[0]));
}

// Leaves the text in slot 0.
std::vector<float> PatchingRun::last_logits(const FedText& text) {
  std::vector<float> found;
  feed_->run({&text, 1}, 0, FedRows::last,
             [&](size_t, int32_t, std::span<const float> logits) { found.assign(logits.begin(), logits.end()); });
  return found;
}

// The answers of a sweep, and what they are without its patch.
void PatchingRun::read_ends(std::span<const BoundPatch> base) {
  Sweep& found = *result_.sweep;
  const std::vector<int32_t>& tokens = result_.texts[0].tokens;
  const Patch& first = swept_.front();
  const bool has_donor = first.source == PatchSource::from;
  const std::vector<float> clean = last_logits({has_donor ? first.donor : tokens, {}});
  const std::vector<float> corrupted = last_logits({tokens, base});
  found.answers = answers_;
  if (answers_.empty()) {
    found.answers = most_likely(clean, 1);
    if (const int32_t other = most_likely(corrupted, 1)[0]; other != found.answers[0]) found.answers.push_back(other);
  }
  found.corrupted = metric(corrupted);
  if (has_donor) found.clean = metric(clean);
  if (!std::isfinite(found.corrupted) || !std::isfinite(found.clean.value_or(0)))
    fail("--patch_sweep: expected numbers after the prompt and after the donor, found ", found.corrupted,
         has_donor ? " and " + std::to_string(*found.clean) : "", ", so effects cannot be told");
  if (has_donor && *found.clean == found.corrupted)
    fail("--patch_sweep: expected another answer from the donor than from the prompt, found ", found.corrupted,
         " for both, so there is nothing to restore; name the answer by --answer, or give another donor");
}

void PatchingRun::sweep() {
  Sweep& found = *result_.sweep;
  const std::vector<int32_t>& tokens = result_.texts[0].tokens;
  PatchBinder binder = this->binder();
  std::vector<BoundPatch> base, swept;
  for (const Patch& patch : patches_) base.push_back(binder.bind(patch, tokens));
  for (const Patch& patch : swept_) swept.push_back(binder.bind(patch, tokens));
  read_ends(base);
  for (const BoundPatch& patch : swept)
    found.maps.push_back(map_of(patch, evaluation_.checkpoint().config().L, static_cast<int32_t>(tokens.size())));
  const std::vector<Cell> cells = cells_of(found.maps, swept, base, static_cast<int32_t>(tokens.size()));
  // The texts take over what stands before their position from slot 0, where read_ends() has left the corrupted one.
  std::vector<FedText> texts;
  for (const Cell& cell : cells) texts.push_back({tokens, cell.patches, cell.position});
  Progress progress("patches", configuration_.values().flag("quiet"));
  int64_t done = 0;
  feed_->run(texts, 1, FedRows::last, [&](size_t text, int32_t, std::span<const float> logits) {
    end_if_asked(ranks_, ", ", done, " of ", texts.size(), " patches were tried");
    found.maps[cells[text].map].values[cells[text].index] = metric(logits);
    progress.update(++done, std::ssize(texts));
  });
  const double whole = found.clean ? *found.clean - found.corrupted : 1;
  for (SweepMap& map : found.maps) {
    for (const double value : map.values) map.effects.push_back((value - found.corrupted) / whole);
    check_effects(map);
  }
}

Manifest PatchingRun::manifest() const {
  std::vector<RecordedOption> options{{"model", absolute_path(evaluation_.model()), "text"}};
  const OptionValues& values = configuration_.values();
  if (const std::string path(values.text("text")); !path.empty())
    options.push_back({"text", absolute_path(path), "text"});
  for (size_t i = 0; i < patches_.size(); ++i)
    options.push_back({"patch", recorded_patch(result_.patches[i], patches_[i]), "text"});
  for (const std::string& given : configuration_.list("answer")) options.push_back({"answer", given, "text"});
  if (!swept_.empty()) options.push_back({"patch_sweep", recorded_patch(result_.sweep->text, swept_.front()), "text"});
  for (const char* key : {"threads", "device"}) options.push_back({key, values.shown(key), "int"});
  options.push_back({"no_special", values.shown("no_special"), "bool"});
  Manifest record = evaluation_.manifest(std::move(options));
  if (values.text("text").empty()) record.prompts = result_.texts;
  return record;
}

}  // namespace gpt2run
