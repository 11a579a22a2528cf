// The table of --report weights.
#include "common/pipeline/weight_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/config/create.hpp"
#include "gpt2run/evaluation/rounding_report.hpp"
#include "gpt2run/sdk/float16.hpp"

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

}  // namespace

std::string weight_report(const Selection& choice) {
  const std::optional<Type> known = type_of(choice.precision);
  if (!known)
    fail("--report weights: the type of precision ", choice.precision.spec.name,
         " is not known: name one for fp32, fp16 or bf16");
  const Type type = *known;
  const auto loader = create<Loader>(choice.loader);
  const auto model = loader->open(choice.model.c_str());
  char text[300];
  std::snprintf(text, sizeof text, "in %s: largest value %g, smallest with all its bits %g\n", name_of(type),
                double{largest_of(type)}, double{smallest_normal_of(type)});
  std::string table = text;
  std::snprintf(text, sizeof text, "%-10s %-5s %11s %12s %11s %9s %10s %10s %10s\n", "tensor", "from", "values",
                "max |x|", "not finite", "overflow", "underflow", "subnormal", "error");
  table += text;
  RoundingReport all{};
  for (const RoundingReport& one : rounding_report_of(*model, type)) {
    std::string name = name_of(one.weight);
    if (is_per_layer(one.weight)) name.append(".").append(std::to_string(one.layer));
    table += line_of(name, name_of(one.from), one);
    add(one, all);
  }
  return table + line_of("all", "", all);
}

}  // namespace gpt2run
