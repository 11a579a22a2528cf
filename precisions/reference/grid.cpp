// Reads the grid from options, writes it as a contract, and rounds by it.
#include "grid.hpp"

#include <charconv>

#include "gpt2run/sdk/number_formats.hpp"
#include "gpt2run/sdk/quantise.hpp"

namespace gpt2run::grid {
namespace {

constexpr Format format_of_type(Type type) {
  return type == Type::f32 ? Format::fp32 : type == Type::f16 ? Format::fp16 : Format::bf16;
}

Type type_of(std::string_view name) {
  for (const Type type : {Type::f32, Type::f16, Type::bf16})
    if (name == gpt2run::name_of(type)) return type;
  fail("type: fp32, bf16 or fp16 expected, found ", name);
}

// Splits a text at a letter, and calls body with each part.
template <class Body>
void for_each_part(std::string_view text, char letter, Body body) {
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(letter, at), text.size());
    body(text.substr(at, end - at));
    at = end + 1;
  }
}

// The groups that a format has if none are named, or those that are named. Throws Error where the format has none.
RowFormat with_groups(RowFormat part, const char* option) {
  const int fixed = part.format == Format::mxfp4 ? kMxGroup : 0;
  if (part.group != 0 && is_type(part.format))
    fail(option, "=", part.group, ": expected a format with scales, found ", name_of(part.format));
  if (part.group != 0 && fixed != 0 && part.group != fixed)
    fail(option, "=", part.group, ": mxfp4 has groups of ", fixed);
  if (part.group == 0) part.group = part.format == Format::nf4 ? kNf4Group : fixed;
  return part;
}

Zero zero_of(std::string_view name) {
  for (const Zero zero : {Zero::off, Zero::on, Zero::least})
    if (name == name_of(zero)) return zero;
  fail("zero: off, on or least expected, found ", name);
}

// RowFormat::factors from the option `scales`.
int factors_of(const RowFormat& part, std::string_view scales) {
  const bool possible = part.format == Format::int4 && part.zero == Zero::on && part.group > 0;
  if (scales == "auto") return possible && part.group == kInt4Group ? kInt4Contract.factors : 0;
  if (scales == "fp32") return 0;
  if (!possible) fail("scales=", scales, ": expected w=int4 with zero=on and groups");
  return scales == "8" ? 8 : 63;
}

// A format without the groups and the zero point of the layers' matrices.
RowFormat plain(Format format) { return with_groups({format}, "group"); }

bool is_for_weights_only(Format format) {
  return format == Format::int4 || format == Format::mxfp4 || format == Format::nf4;
}

Grid grid_of(const Options& options) {
  Grid grid;
  grid.type = type_of(options.text("type"));
  const auto named = [&](const char* key) {
    const std::string_view name = options.text(key);
    return name == "type" ? format_of_type(grid.type) : format_of(name);
  };
  grid.w =
      with_groups({named("w"), static_cast<int>(options.integer("group")), zero_of(options.text("zero"))}, "group");
  if (grid.w.zero != Zero::off && !is_integer(grid.w.format))
    fail("zero=", name_of(grid.w.zero), ": expected w=int8 or w=int4, found ", name_of(grid.w.format));
  grid.w.factors = factors_of(grid.w, options.text("scales"));
  const int a_group = static_cast<int>(options.integer("a_group"));
  grid.a = with_groups({named("a"), a_group}, "a_group");
  const Format head = named("head");
  grid.head = head == grid.w.format ? grid.w : plain(head);
  const std::string_view input = options.text("head_input");
  const Format derived = is_for_weights_only(head) ? grid.a.format : head;
  const Format head_input = input == "head" ? derived : format_of(input);
  grid.head_input = with_groups({head_input, is_type(head_input) ? 0 : a_group}, "a_group");
  grid.kv = plain(named("kv"));
  grid.exact = Exact(options.text("exact"));
  return grid;
}

// A site of each kind that there is, those in the layers for one layer.
std::vector<Site> sites_of(int layer) {
  std::vector<Site> sites;
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    sites.push_back({Point::weight, op_of(weight), is_per_layer(weight) ? layer : -1, weight});
  }
  for (const Projection projection : {Projection::q, Projection::k, Projection::v})
    sites.push_back({Point::qkv, Op::norm_qkv, layer, Weight::qkv_w, projection});
  sites.push_back({Point::norm, Op::norm_qkv, layer, Weight::qkv_w});
  sites.push_back({Point::attention, Op::attention, layer, Weight::proj_w});
  sites.push_back({Point::norm, Op::norm_up_gelu, layer, Weight::up_w});
  sites.push_back({Point::gelu, Op::norm_up_gelu, layer, Weight::down_w});
  sites.push_back({Point::norm, Op::norm_logits, -1, Weight::head_w});
  return sites;
}

// The shortest options that give the grid, always in the same order.
std::string contract_of(const Grid& grid, const Options& options) {
  const Format type = format_of_type(grid.type);
  std::string text;
  const auto add = [&](bool differs, const char* key, std::string_view value) {
    if (differs) text.append(text.empty() ? "" : ":").append(key).append("=").append(value);
  };
  const auto add_format = [&](const char* key, Format format, Format fallback) {
    add(format != fallback, key, name_of(format));
  };
  const auto add_number = [&](const char* key) {
    add(options.integer(key) != 0, key, std::to_string(options.integer(key)));
  };
  add(grid.type != Type::f32, "type", gpt2run::name_of(grid.type));
  add_format("w", grid.w.format, type);
  add_number("group");
  add(grid.w.zero != Zero::off, "zero", name_of(grid.w.zero));
  add(grid.w.factors != factors_of(grid.w, "auto"), "scales", options.text("scales"));
  add_format("a", grid.a.format, type);
  add_number("a_group");
  add_format("head", grid.head.format, type);
  add_format("head_input", grid.head_input.format,
             is_for_weights_only(grid.head.format) ? grid.a.format : grid.head.format);
  add_format("kv", grid.kv.format, type);
  add(!options.text("exact").empty(), "exact", options.text("exact"));
  return text.empty() ? "type=fp32" : text;
}

}  // namespace

Exact::Exact(std::string_view text) : text_(text) {
  if (text.empty()) return;
  for_each_part(text, '+', [&](std::string_view names) {
    Term& term = terms_.emplace_back(Term{std::string(names)});
    for_each_part(names, '.', [&](std::string_view name) { read(name, term); });
    const std::vector<Site> sites = sites_of(std::max(term.layer, 0));
    if (std::ranges::none_of(sites, [&](const Site& site) { return holds(term, site); }))
      fail("exact: the term '", names, "': expected a part that is rounded somewhere, found one that there is not");
  });
}

void Exact::read(std::string_view name, Term& term) {
  constexpr std::string_view kLayer = "layer", kValues[] = {"", "weights", "activations", "kv"};
  const auto expect_first = [&](bool is_first, const char* what) {
    if (!is_first) fail("exact: the term '", term.text, "': expected at most one ", what, ", found two");
  };
  for (int op = 0; op < kOps; ++op)
    if (name == gpt2run::name_of(static_cast<Op>(op)))
      return expect_first(term.op < 0, "operation"), void(term.op = op);
  for (int i = 1; i < 4; ++i)
    if (name == kValues[i])
      return expect_first(term.values == Values::all, "kind of values"), void(term.values = static_cast<Values>(i));
  if (name.starts_with(kLayer)) {
    int layer = -1;
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + kLayer.size(), end, layer);
    if (error == std::errc() && rest == end && layer >= 0)
      return expect_first(term.layer < 0, "layer"), void(term.layer = layer);
  }
  fail("exact: expected operations, layers as layer0, weights, activations or kv, joined by + and ., found '", name,
       "'");
}

void Exact::check_layers(int layers) const {
  for (const Term& term : terms_)
    if (term.layer >= layers)
      fail("reference: exact=", text_, ": the term '", term.text, "': expected a layer below ", layers,
           ", the number of the model's layers, found layer", term.layer);
}

bool Exact::holds(const Term& term, const Site& site) {
  if (term.op >= 0 && term.op != static_cast<int>(site.op)) return false;
  if (term.layer >= 0 && term.layer != site.layer) return false;
  const bool kv = site.projection == Projection::k || site.projection == Projection::v;
  switch (term.values) {
    case Values::all:
      return true;
    case Values::weights:
      return site.point == Point::weight;
    case Values::activations:
      return site.point != Point::weight && !kv;
    case Values::kv:
      return kv;
  }
  return false;
}

bool Exact::holds(const Site& site) const {
  return std::ranges::any_of(terms_, [&](const Term& term) { return holds(term, site); });
}

const RowFormat* Grid::format_at(const Site& site) const {
  switch (site.point) {
    case Point::weight:
      if (site.weight == Weight::wte || site.weight == Weight::head_w) return &head;
      return is_matrix(site.weight) && site.weight != Weight::wpe ? &w : nullptr;
    case Point::norm:
      return site.op == Op::norm_logits ? &head_input : &a;
    case Point::qkv:
      return site.projection == Projection::q ? nullptr : &kv;
    case Point::attention:
    case Point::gelu:
      return &a;
  }
  return nullptr;
}

GridOps::GridOps(const Options& options, const Host&)
    : grid_(grid_of(options)), contract_(contract_of(grid_, options)) {}

ReferenceWeights GridOps::load(const Checkpoint& checkpoint) const {
  grid_.exact.check_layers(checkpoint.config().L);
  return ReferenceOps::load(checkpoint);
}

void GridOps::round_row(const Site& site, std::span<float> row) const {
  if (grid_.exact.holds(site)) return;
  const RowFormat* format = grid_.format_at(site);
  if (!format) return ReferenceOps::round_row(site, row);
  // Rounding to int4 again could choose other scales, so rows that the file holds in this form are taken as they are.
  if (site.tensor && *format == kInt4Contract && is_int4_row(*site.tensor, site.row)) return;
  if (grid::round_row(*format, row) || site.point != Point::weight) return;
  fail("weight ", gpt2run::name_of(site.weight),
       is_per_layer(site.weight) ? " of layer " + std::to_string(site.layer) : "", ", row ", site.row,
       ": expected finite numbers for ", name_of(format->format), ", found infinity or NaN");
}

}  // namespace gpt2run::grid
