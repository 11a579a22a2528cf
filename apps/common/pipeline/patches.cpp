// The parser of patches.
#include "common/pipeline/patches.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "common/prompts/prompts.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

// One term of a patch: key=value, or a key alone.
struct Term {
  std::string key, value;
  bool has_value = false;
};

constexpr const char* kKeys[] = {"op",   "layer", "positions", "heads", "from", "from_tokens",
                                 "zero", "mean",  "scale",     "noise", "size"};
constexpr char kSources[] = "from=TEXT, from_tokens=IDS, zero, mean, scale=X or noise=SEED";

// The end of the JSON string that a text begins with, or its size if the string does not end.
size_t end_of_string(std::string_view text) {
  size_t end = 1;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size());
}

std::string nearest(std::string_view name, const std::vector<std::string>& known) {
  const std::string found = nearest_name(name, known);
  return found.empty() ? "" : ": did you mean " + in_quotes(found) + "?";
}

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (int op = 0; op < kPatchedOps; ++op) names.emplace_back(name_of(static_cast<Op>(op)));
  return names;
}

std::string joined(std::span<const std::string> names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = std::min(text.find(at), text.size());
    parts.push_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

// out_of_range, unless null: set to whether the text is a number that Number cannot hold.
template <class Number>
bool parse_number(std::string_view text, Number& number, bool* out_of_range = nullptr) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (out_of_range) *out_of_range = code == std::errc::result_out_of_range && end == text.data() + text.size();
  return code == std::errc() && end == text.data() + text.size();
}

std::vector<Term> terms_of(std::string_view rest, const std::string& origin) {
  std::vector<Term> all;
  while (true) {
    Term term;
    const size_t end = std::min(rest.find_first_of("=,"), rest.size());
    term.key = normal_name(rest.substr(0, end));
    rest.remove_prefix(end);
    if (rest.starts_with('=')) {
      rest.remove_prefix(1);
      term.has_value = true;
      const bool quoted = rest.starts_with('"');
      const size_t size = quoted ? end_of_string(rest) : std::min(rest.find(','), rest.size());
      if (quoted && size < rest.size() && rest[size] != ',')
        usage_error(origin, ": the quoted value of ", in_quotes(term.key), " does not end");
      const std::string_view value = rest.substr(0, size);
      term.value = quoted ? json_unquoted(value, origin) : std::string(value);
      rest.remove_prefix(size);
    }
    all.push_back(std::move(term));
    if (rest.empty()) return all;
    rest.remove_prefix(1);
  }
}

// Reads the terms of one patch.
class Parser {
 public:
  Parser(std::string_view text, std::string origin, const PatchTexts& texts, const ModelConfig& model)
      : text_(text), origin_(std::move(origin)), texts_(texts), model_(model) {}

  std::vector<Patch> patches() {
    for (const Term& term : terms_of(text_, origin_)) take(term);
    if (ops_.empty()) usage_error(origin_, ": expected op=NAME, one of ", joined(op_names()), ", found none");
    if (source_.empty()) usage_error(origin_, ": expected ", kSources, ", found none");
    if (has_size_ && patch_.source != PatchSource::noise)
      usage_error(origin_, ": expected size=X only beside noise=SEED, found ", in_quotes(source_));
    std::vector<Patch> all;
    for (const Op op : ops_) {
      all.push_back(patch_);
      all.back().op = op;
      try {
        check_patch(all.back(), model_);
      } catch (const Error& error) {
        usage_error(origin_, ": ", error.what());
      }
    }
    return all;
  }

 private:
  void take(const Term& term) {
    const std::vector<std::string> keys(std::begin(kKeys), std::end(kKeys));
    if (std::ranges::find(keys, term.key) == keys.end())
      usage_error(origin_, ": expected ", joined(keys), ", found ", in_quotes(term.key), nearest(term.key, keys),
                  source_ == "from" ? "; a text with a comma is written as a JSON string, from=\"...\"" : "");
    if (std::ranges::find(seen_, term.key) != seen_.end()) usage_error(origin_, ": ", term.key, " is given twice");
    seen_.push_back(term.key);
    const bool is_word = term.key == "zero" || term.key == "mean";
    if (term.has_value == is_word)
      usage_error(origin_, ": ", term.key, is_word ? ": expected no value, found " : ": a value is missing",
                  is_word ? in_quotes(term.value) : "");
    if (term.key == "op") return take_ops(term.value);
    if (term.key == "layer") return void(patch_.layers = ranges(term, "a layer, a range such as 0-3, or all"));
    if (term.key == "heads") return void(patch_.heads = ranges(term, "a head, a range such as 0-3, or all"));
    if (term.key == "positions")
      return void(patch_.positions = ranges(term, "a position, a range such as 3-7 or 3-, last, or all"));
    if (term.key == "size") return take_real(term, 0), void(has_size_ = true);
    take_source(term);
  }

  void take_ops(const std::string& value) {
    for (const std::string_view name : split(value, '+')) {
      const std::optional<Op> op = patched_op(name);
      if (!op)
        usage_error(origin_, ": op: expected one of ", joined(op_names()), ", found ", in_quotes(name),
                    nearest(name, op_names()));
      if (std::ranges::find(ops_, *op) != ops_.end()) usage_error(origin_, ": op: ", name, " is given twice");
      ops_.push_back(*op);
    }
  }

  std::vector<PatchRange> ranges(const Term& term, const char* expected) {
    std::vector<PatchRange> found;
    if (term.value == "all") return found;
    for (const std::string_view part : split(term.value, '+')) {
      const bool is_position = term.key == "positions";
      if (is_position && part == "last") {
        patch_.at_last = true;
        continue;
      }
      const size_t dash = std::min(part.find('-'), part.size());
      PatchRange range{};
      bool is_right = parse_number(part.substr(0, dash), range.first);
      range.last = range.first;
      if (dash + 1 < part.size())
        is_right &= parse_number(part.substr(dash + 1), range.last);
      else if (dash < part.size())
        is_right &= is_position, range.last = PatchRange::kOpen;
      if (!is_right || range.last < range.first)
        usage_error(origin_, ": ", term.key, ": expected ", expected, ", found ", in_quotes(part));
      found.push_back(range);
    }
    return found;
  }

  void take_real(const Term& term, float least = std::numeric_limits<float>::lowest()) {
    bool out_of_range = false;
    if (parse_number(term.value, patch_.factor, &out_of_range) && std::isfinite(patch_.factor) &&
        patch_.factor >= least)
      return;
    usage_error(origin_, ": ", term.key, ": expected a number", least == 0 ? " of 0 or more" : "",
                out_of_range ? " that FP32 can hold" : "", ", found ", in_quotes(term.value));
  }

  void take_source(const Term& term) {
    if (!source_.empty()) usage_error(origin_, ": expected one of ", kSources, ", found ", source_, " and ", term.key);
    source_ = term.key;
    if (term.key == "zero") patch_.source = PatchSource::zero;
    if (term.key == "mean") patch_.source = PatchSource::mean;
    if (term.key == "scale") patch_.source = PatchSource::scale, take_real(term);
    if (term.key == "noise") {
      patch_.source = PatchSource::noise;
      if (!parse_number(term.value, patch_.seed))
        usage_error(origin_, ": noise: expected a seed, a whole number below 2^64, found ", in_quotes(term.value));
    }
    if (!term.key.starts_with("from")) return;
    patch_.source = PatchSource::from;
    if (term.key == "from_tokens")
      patch_.donor = parse_tokens(term.value, origin_ + ": from_tokens", model_.V);
    else if (!texts_.tokenizer)
      usage_error(origin_, ": from: the model has no tokenizer; give token ids, from_tokens=1 2 3");
    else
      patch_.donor = encode(*texts_.tokenizer, {origin_ + ": from", term.value, "", {}}, texts_.special);
  }

  std::string_view text_;
  std::string origin_;
  const PatchTexts& texts_;
  const ModelConfig& model_;
  Patch patch_;
  std::vector<Op> ops_;
  std::string source_;  // the key that says where values come from
  std::vector<std::string> seen_;
  bool has_size_ = false;
};

// True if a sequence with a prompt of that many tokens, of `longest` in the end, reaches a position of the patch.
bool reaches(const Patch& patch, int64_t prompt, int64_t longest) {
  if (patch.at_all() || patch.at_last) return true;
  const int64_t fed = std::max(prompt, longest - 1);  // the last new token is not fed
  return std::ranges::any_of(patch.positions, [&](const PatchRange& range) { return range.first < fed; });
}

}  // namespace

std::vector<Patch> parse_patches(std::string_view text, const std::string& origin, const PatchTexts& texts,
                                 const ModelConfig& model) {
  return Parser(text, origin, texts, model).patches();
}

Patch parse_patch(std::string_view text, const std::string& origin, const PatchTexts& texts, const ModelConfig& model) {
  std::vector<Patch> all = parse_patches(text, origin, texts, model);
  if (all.size() != 1) usage_error(origin, ": op: expected one operation, found ", all.size());
  return std::move(all.front());
}

std::string recorded_patch(const std::string& text, const Patch& patch) {
  if (is_utf8(text)) return text;
  std::string recorded;
  for (const Term& term : terms_of(text, "--patch")) {
    if (!recorded.empty()) recorded += ',';
    std::string ids;
    for (const int32_t id : patch.donor) ids.append(ids.empty() ? "" : " ").append(std::to_string(id));
    const bool is_donor = term.key == "from";
    recorded += is_donor ? "from_tokens" : term.key;
    if (term.has_value) recorded.append("=").append(is_donor ? ids : term.value);
  }
  return recorded;
}

std::string patch_origin(const std::string& origin, size_t index, size_t count) {
  if (count == 1) return origin;
  return origin + " (number " + std::to_string(index + 1) + " of " + std::to_string(count) + ")";
}

void check_patch_on_prompts(const Patch& patch, std::span<const Prompt> prompts, int64_t longest,
                            const std::string& origin) {
  int64_t most = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    most = std::max<int64_t>(most, std::ssize(prompts[i].tokens));
    try {
      check_donor(patch, prompts[i].tokens.size());
    } catch (const Error& error) {
      usage_error(origin, ": prompt ", i, ": ", error.what());
    }
  }
  if (!reaches(patch, most, longest))
    usage_error(origin, ": ", name_of(patch.op), ": expected positions of the text, below ",
                std::max(most, longest - 1), ", found ", patch.positions.front().first);
}

std::vector<Patch> patches_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model,
                              std::span<const Prompt> prompts, int64_t longest) {
  const PatchTexts texts{tokenizer, !configuration.values().flag("no_special")};
  const std::vector<std::string>& given = configuration.list("patch");
  std::vector<Patch> patches;
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string origin = patch_origin(configuration.origin("patch"), i, given.size());
    patches.push_back(parse_patch(given[i], origin, texts, model));
    check_patch_on_prompts(patches.back(), prompts, longest, origin);
  }
  return patches;
}

}  // namespace gpt2run
