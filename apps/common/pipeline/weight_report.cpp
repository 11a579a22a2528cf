// The table of --report weights.
#include "common/pipeline/weight_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/config/create.hpp"
#include "common/pipeline/packed_model.hpp"
#include "gpt2run/evaluation/quantisation_report.hpp"
#include "gpt2run/evaluation/rounding_report.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/quantise.hpp"

namespace gpt2run {
namespace {

std::string line_of(const std::string& name, const char* type, const RoundingReport& c) {
  char text[200];
  std::snprintf(text, sizeof text, "%-10s %-5s %11lld %12.6g %11lld %9lld %10lld %10lld %10.2e\n", name.c_str(), type,
                static_cast<long long>(c.count), c.largest, static_cast<long long>(c.not_finite),
                static_cast<long long>(c.overflow), static_cast<long long>(c.underflow),
                static_cast<long long>(c.subnormal), c.error);
  return text;
}

void add(const RoundingReport& one, RoundingReport& all) {
  all.count += one.count;
  all.not_finite += one.not_finite;
  all.overflow += one.overflow;
  all.underflow += one.underflow;
  all.subnormal += one.subnormal;
  all.largest = std::max(all.largest, one.largest);
  all.error = std::max(all.error, one.error);
}

std::string tensor_name(Weight weight, int layer) {
  const std::string name = name_of(weight);
  return is_per_layer(weight) ? name + "." + std::to_string(layer) : name;
}

std::string rounding_table(const Checkpoint& model, Type type) {
  char text[300];
  std::snprintf(text, sizeof text, "in %s: largest value %g, smallest with all its bits %g\n", name_of(type),
                double{largest_of(type)}, double{smallest_normal_of(type)});
  std::string table = text;
  std::snprintf(text, sizeof text, "%-10s %-5s %11s %12s %11s %9s %10s %10s %10s\n", "tensor", "from", "values",
                "max |x|", "not finite", "overflow", "underflow", "subnormal", "error");
  table += text;
  RoundingReport all{};
  for (const RoundingReport& one : rounding_report_of(model, type)) {
    table += line_of(tensor_name(one.weight, one.layer), name_of(one.from), one);
    add(one, all);
  }
  return table + line_of("all", "", all);
}

double share(int64_t part, int64_t of) { return of > 0 ? static_cast<double>(part) / static_cast<double>(of) : 0; }

std::string line_of(const std::string& name, const char* type, const QuantisationReport& c) {
  char text[200];
  std::snprintf(text, sizeof text, "%-10s %-5s %11lld %12.6g %11lld %11.4g %10.2e %10.2e %10.2e\n", name.c_str(), type,
                static_cast<long long>(c.count), c.largest, static_cast<long long>(c.not_finite), c.scale,
                share(c.clipped, c.count), share(c.zeroed, c.count), c.error);
  return text;
}

void add(const QuantisationReport& one, QuantisationReport& all) {
  all.count += one.count;
  all.not_finite += one.not_finite;
  all.clipped += one.clipped;
  all.zeroed += one.zeroed;
  all.largest = std::max(all.largest, one.largest);
  all.scale = std::max(all.scale, one.scale);
  all.error = std::max(all.error, one.error);
}

// head: the name of the format of the embedding and head. Where it is not quantised, or in a form that no file has, its
// lines are left out.
std::string quantisation_table(const Checkpoint& model, Type type, const std::string& head) {
  const std::optional<Type> head_type = head == name_of(Type::i8)                       ? std::optional(Type::i8)
                                        : type == Type::u4 && head == name_of(Type::u4) ? std::optional(Type::u4)
                                                                                        : std::nullopt;
  char text[300];
  std::string table = std::string("in ") + name_of(type) + ": " +
                      (type == Type::u4 ? "16 values, a scale for each row, a factor and a zero point for 32 columns"
                                        : "255 values, a scale for each row") +
                      (head == name_of(type) ? "" : "; wte and head_w in " + head) +
                      "; wpe and vectors stay as they are\n";
  std::snprintf(text, sizeof text, "%-10s %-5s %11s %12s %11s %11s %10s %10s %10s\n", "tensor", "from", "values",
                "max |x|", "not finite", "max scale", "clipped", "zeroed", "error");
  table += text;
  QuantisationReport all{};
  for (const QuantisationReport& one : quantisation_report_of(model, type, head_type)) {
    table += line_of(tensor_name(one.weight, one.layer), name_of(one.from), one);
    add(one, all);
  }
  return table + line_of("all", "", all);
}

// i8 or u4 where that is how a precision stores its matrices: by the option `w` of a grid of formats, or else by its
// name. Throws Error for a grid whose weights have a form that no file has.
std::optional<Type> quantised_type_of(const BoundPlugin& precision) {
  const OptionValues& values = precision.values;
  const auto shown = [&](const char* key) { return values.declares(key) ? values.shown(key) : ""; };
  const std::string format = shown("w"), name = precision.plugin->name;
  for (const Type type : {Type::i8, Type::u4}) {
    if (name == std::string("cpu-") + name_of(type) || name == std::string("cuda-") + name_of(type)) return type;
    if (format != name_of(type)) continue;
    const bool is_u4 = type == Type::u4;
    if (shown("group") == (is_u4 ? "32" : "0") && shown("zero") == (is_u4 ? "on" : "off")) return type;
    fail("--report weights: ", name, ": expected ", is_u4 ? "group=32 and zero=on" : "group=0 and zero=off",
         " with w=", format, ", found group=", shown("group"), " and zero=", shown("zero"));
  }
  if (!format.empty() && format != "type")
    fail("--report weights: ", name, ": expected w=int8, w=int4 or none, found w=", format);
  return std::nullopt;
}

// The name of the format of the embedding and head of a precision whose matrices are quantised to `layers`.
std::string head_format_of(const BoundPlugin& precision, Type layers) {
  const OptionValues& values = precision.values;
  if (!values.declares("head")) return name_of(gpt2run::quantised_type_of(Weight::head_w, layers));
  return values.shown("head") == "type" ? type_name_of(precision) : values.shown("head");
}

}  // namespace

std::string weight_report(const Selection& choice) {
  const std::optional<Type> quantised = quantised_type_of(choice.precision);
  const std::optional<Type> known = quantised ? quantised : type_of(choice.precision);
  if (!known)
    fail("--report weights: the type of precision ", choice.precision.spec.name,
         " is not known: name one for fp32, fp16, bf16, int8 or int4");
  const auto loader = create<Loader>(choice.loader);
  const auto model = open_model(*loader, choice.loader, choice.model);
  return quantised ? quantisation_table(*model, *known, head_format_of(choice.precision, *known))
                   : rounding_table(*model, *known);
}

}  // namespace gpt2run
