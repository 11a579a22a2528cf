// The result as JSON.
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "common/evaluation/texts.hpp"
#include "gpt2compare/report.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no infinity: a text that Python's float() takes. What is not defined is null.
Json number(double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (std::isnan(value)) return nullptr;
  return value;
}

Json place_of(const Comparison& comparison, const Place& place) {
  return {{"position", place.position},
          {"text", text_around(comparison.texts, place, comparison.tokenizer)},
          {"text_index", place.text}};
}

Json metric_of(const Comparison& comparison, const Series& series, Metric metric) {
  const Distribution found = distribution_of(series, metric);
  Json percentiles;
  for (size_t i = 0; i < std::size(kPercentiles); ++i) {
    std::string name;
    append_number(name, kPercentiles[i]);
    percentiles[name] = number(found.percentiles[i]);
  }
  Json farthest = {{"value", number(found.farthest)}};
  farthest.update(place_of(comparison, series.places[found.farthest_index]));
  return {{"unit", spec_of(metric).unit},
          {"mean", number(found.mean)},
          {"standard_error", number(found.standard_error)},
          {"batch_standard_error", number(found.batch_standard_error)},
          {"median", number(found.median())},
          {"percentiles", percentiles},
          {"max", farthest}};
}

Json metrics_of(const Comparison& comparison, const Series& series) {
  Json metrics;
  for (int m = 0; m < kMetrics; ++m) {
    const auto metric = static_cast<Metric>(m);
    metrics[spec_of(metric).name] = metric_of(comparison, series, metric);
  }
  return metrics;
}

Json by_metric(const std::array<double, kMetrics>& values) {
  Json object;
  for (int m = 0; m < kMetrics; ++m) object[spec_of(static_cast<Metric>(m)).name] = number(values[m]);
  return object;
}

Json parts_of(std::span<const FloorPart> parts) {
  Json list = Json::array();
  for (const FloorPart& part : parts) {
    Json object = {{"of", part.instance}, {"against", part.what}, {"tokens", part.targets}};
    object.update(by_metric(part.deviations));
    list.push_back(object);
  }
  return list;
}

Json below_of(const TestResult& test) {
  Json names = Json::array();
  for (int m = 0; m < kMetrics; ++m)
    if (is_below(test.series, static_cast<Metric>(m), test.floor))
      names.push_back(spec_of(static_cast<Metric>(m)).name);
  return names;
}

Json flips_of(const Comparison& comparison, const Series& series) {
  Json list = Json::array();
  for (const Flip& flip : series.flips) {
    Json object = place_of(comparison, flip.place);
    object.update({{"margin", number(flip.margin)},
                   {"margin_probability", number(flip.margin_probability)},
                   {"ref_token", flip.ref_token},
                   {"test_token", flip.test_token},
                   {"ref_text", token_text(flip.ref_token, comparison.tokenizer)},
                   {"test_text", token_text(flip.test_token, comparison.tokenizer)}});
    list.push_back(object);
  }
  return list;
}

Json buckets_of(const std::vector<Bucket>& buckets, const std::function<Json(const Bucket&)>& range) {
  Json list = Json::array();
  for (const Bucket& bucket : buckets) {
    Json object = range(bucket);
    object["count"] = bucket.count;
    object.update(by_metric(bucket.means));
    list.push_back(object);
  }
  return list;
}

// Positions are whole numbers, and both of the range belong to it.
Json positions_of(const Bucket& bucket) {
  return {{"from", static_cast<int64_t>(bucket.from)}, {"to", static_cast<int64_t>(bucket.to) - 1}};
}

Json entropies_of(const Bucket& bucket) { return {{"from", bucket.from}, {"to", bucket.to}}; }

Json histogram_json(const Series& series, Metric metric) {
  const Histogram found = histogram_of(series, metric);
  return {{"edges", found.edges}, {"counts", found.counts}, {"below", found.below}, {"above", found.above}};
}

Json ranges_of(const std::vector<OpRange>& ranges) {
  Json list = Json::array();
  for (const OpRange& range : ranges)
    list.push_back({{"op", range.op},
                    {"layer", range.layer},
                    {"max", number(range.max)},
                    {"headroom", number(range.headroom)},
                    {"subnormal_share", number(range.subnormal_share)},
                    {"nan", range.nans}});
  return list;
}

void add_layers(Json& json, const LayerTest& test) {
  json["layer_threshold"] = test.threshold ? number(*test.threshold) : Json();
  json["layers"] = Json::array();
  for (const OpError& error : test.errors)
    json["layers"].push_back({{"op", error.op},
                              {"layer", error.layer},
                              {"rms_error", number(error.rms_error)},
                              {"max_error", number(error.max_error)}});
  json["first_above"] = test.first_above ? json["layers"][*test.first_above] : Json();
  json["ranges"] = ranges_of(test.ranges);
}

Json test_of(const Comparison& comparison, const TestResult& test) {
  Json histogram;
  for (const Metric metric : {Metric::kl_ref_test, Metric::kl_test_ref, Metric::js})
    histogram[spec_of(metric).name] = histogram_json(test.series, metric);
  Json json = {{"name", test.series.name}, {"metrics", metrics_of(comparison, test.series)}};
  if (!test.floor.empty()) {
    json["floor"] = by_metric(floor_of(test.floor));
    json["floors"] = parts_of(test.floor);
    json["below_floor"] = below_of(test);
  }
  json["flips"] = flips_of(comparison, test.series);
  json["by_position"] = buckets_of(by_position(test.series), positions_of);
  json["by_entropy"] = buckets_of(by_entropy(test.series), entropies_of);
  json["histogram"] = histogram;
  return json;
}

}  // namespace

std::string to_json(const Comparison& comparison) {
  Json json = {{"reference", comparison.reference},
               {"texts", comparison.texts.size()},
               {"tokens", comparison.targets},
               {"manifest", Json::parse(comparison.manifest)}};
  json["tests"] = Json::array();
  for (const TestResult& test : comparison.tests) json["tests"].push_back(test_of(comparison, test));
  if (comparison.layers) {
    json["layer_rows"] = comparison.layers->rows;
    json["reference_ranges"] = ranges_of(comparison.layers->ranges);
    for (size_t i = 0; i < comparison.layers->tests.size(); ++i)
      add_layers(json["tests"][i], comparison.layers->tests[i]);
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace gpt2run
