// The results as JSON.
#include <cmath>

#include "common/evaluation/direction.hpp"
#include "common/evaluation/texts.hpp"
#include "gpt2compare/json_lists.hpp"
#include "gpt2compare/report.hpp"
#include "gpt2run/json/json.hpp"

namespace gpt2run {
namespace {

template <class Write>
void add_object(JsonWriter& json, std::string_view key, const Write& write) {
  json.key(key);
  json.begin_object();
  write();
  json.end_object();
}

void add_place(JsonWriter& json, const Comparison& comparison, const TargetPosition& place) {
  json.field("position", place.position);
  json.field("text", text_around(comparison.texts, place, comparison.tokenizer));
  json.field("text_index", place.text);
}

void add_metric(JsonWriter& json, const Comparison& comparison, const TokenMetrics& series, Metric metric) {
  const Distribution found = distribution_of(series, metric);
  json.field("unit", spec_of(metric).unit);
  add(json, "mean", found.mean);
  add(json, "standard_error", found.standard_error);
  add(json, "batch_standard_error", found.batch_standard_error);
  add(json, "median", found.median());
  add_object(json, "percentiles", [&] {
    for (size_t i = 0; i < std::size(kPercentiles); ++i) {
      std::string name;
      append_number(name, kPercentiles[i]);
      add(json, name, found.percentiles[i]);
    }
  });
  add_object(json, "max", [&] {
    add(json, "value", found.extreme);
    add_place(json, comparison, series.positions[found.extreme_index]);
  });
}

void add_metrics(JsonWriter& json, const Comparison& comparison, const TokenMetrics& series) {
  add_object(json, "metrics", [&] {
    for (int m = 0; m < kMetrics; ++m) {
      const auto metric = static_cast<Metric>(m);
      add_object(json, spec_of(metric).name, [&] { add_metric(json, comparison, series, metric); });
    }
  });
}

void add_by_metric(JsonWriter& json, const std::array<double, kMetrics>& values) {
  for (int m = 0; m < kMetrics; ++m) add(json, spec_of(static_cast<Metric>(m)).name, values[m]);
}

void add_floor(JsonWriter& json, const TestResult& test) {
  add_object(json, "floor", [&] { add_by_metric(json, floor_of(test.floor)); });
  add_objects(json, "floors", test.floor, [&](const FloorPart& part) {
    json.field("of", part.instance);
    json.field("against", part.what);
    json.field("tokens", part.targets);
    add_by_metric(json, part.deviations);
  });
  json.key("below_floor");
  json.begin_list();
  for (int m = 0; m < kMetrics; ++m)
    if (is_below(test.series, static_cast<Metric>(m), test.floor)) json.value(spec_of(static_cast<Metric>(m)).name);
  json.end_list();
}

void add_flips(JsonWriter& json, const Comparison& comparison, const TokenMetrics& series) {
  add_objects(json, "flips", series.flips, [&](const TopTokenFlip& flip) {
    add_place(json, comparison, flip.place);
    add(json, "margin", flip.margin);
    add(json, "margin_probability", flip.margin_probability);
    json.field("ref_token", flip.ref_token);
    json.field("test_token", flip.test_token);
    json.field("ref_text", token_text(flip.ref_token, comparison.tokenizer));
    json.field("test_text", token_text(flip.test_token, comparison.tokenizer));
  });
}

void add_direction(JsonWriter& json, const TokenMetrics& series) {
  const Direction found = direction_of(series);
  add_object(json, "direction", [&] {
    json.field("changed", found.changed);
    json.field("better", found.better);
    json.field("worse", found.worse);
    add(json, "share_better", found.share);
    add_list(json, "interval", std::array{found.low, found.high}, [&](double end) { json.raw(json::real_text(end)); });
  });
}

void add_bytes(JsonWriter& json, std::string_view key, std::optional<int64_t> bytes) {
  if (bytes)
    json.field(key, *bytes);
  else
    json.field(key, nullptr);
}

void add_islands(JsonWriter& json, const Islands& islands) {
  add_object(json, "islands", [&] {
    json.field("test", islands.test);
    add(json, "kl_ref_test", islands.kl);
    add_objects(json, "parts", islands.parts, [&](const Island& island) {
      json.field("division", name_of(island.division));
      json.field("part", island.part);
      add(json, "kl_ref_test", island.kl);
      add(json, "restored", island.restored);
    });
  });
}

void add_buckets(JsonWriter& json, const TokenMetrics& series) {
  // Positions are whole numbers, and the range in the JSON includes both ends.
  add_objects(json, "by_position", by_position(series), [&](const Bucket& bucket) {
    json.field("from", static_cast<int64_t>(bucket.from));
    json.field("to", static_cast<int64_t>(bucket.to) - 1);
    json.field("count", bucket.count);
    add_by_metric(json, bucket.means);
  });
  add_objects(json, "by_entropy", by_entropy(series), [&](const Bucket& bucket) {
    json.raw_field("from", json::real_text(bucket.from));
    json.raw_field("to", json::real_text(bucket.to));
    json.field("count", bucket.count);
    add_by_metric(json, bucket.means);
  });
}

void add_histogram(JsonWriter& json, const TokenMetrics& series, Metric metric) {
  const Histogram found = histogram_of(series, metric);
  add_object(json, spec_of(metric).name, [&] {
    add_list(json, "edges", found.edges, [&](double edge) { json.raw(json::real_text(edge)); });
    add_list(json, "counts", found.counts, [&](int64_t count) { json.value(count); });
    json.field("below", found.below);
    json.field("above", found.above);
  });
}

void add_ranges(JsonWriter& json, std::string_view key, const std::vector<OpRange>& ranges) {
  add_objects(json, key, ranges, [&](const OpRange& range) {
    json.field("op", range.op);
    json.field("layer", range.layer);
    add(json, "max", range.max);
    add(json, "headroom", range.headroom);
    add(json, "subnormal_share", range.subnormal_share);
    json.field("nan", range.nans);
  });
}

void add_error(JsonWriter& json, const OpError& error) {
  json.field("op", error.op);
  json.field("layer", error.layer);
  add(json, "rms_error", error.rms_error);
  add(json, "max_error", error.max_error);
}

void add_layers(JsonWriter& json, const LayerTest& test) {
  if (test.threshold)
    add(json, "layer_threshold", *test.threshold);
  else
    json.field("layer_threshold", nullptr);
  add_objects(json, "layers", test.errors, [&](const OpError& error) { add_error(json, error); });
  if (test.first_above)
    add_object(json, "first_above", [&] { add_error(json, test.errors[*test.first_above]); });
  else
    json.field("first_above", nullptr);
  add_ranges(json, "ranges", test.ranges);
}

void add_test(JsonWriter& json, const Comparison& comparison, const TestResult& test) {
  json.field("name", test.series.name);
  add_metrics(json, comparison, test.series);
  if (!test.floor.empty()) add_floor(json, test);
  add_bytes(json, "step_bytes", test.step_bytes);
  add_direction(json, test.series);
  add_flips(json, comparison, test.series);
  add_buckets(json, test.series);
  add_object(json, "histogram", [&] {
    for (const Metric metric : {Metric::kl_ref_test, Metric::kl_test_ref, Metric::js})
      add_histogram(json, test.series, metric);
  });
}

}  // namespace

std::string to_json(const Comparison& comparison) {
  const json::Document manifest = json::parse(comparison.manifest, "the manifest");
  JsonWriter json(1);
  json.begin_object();
  json.field("reference", comparison.reference);
  json.field("texts", comparison.texts.size());
  json.field("tokens", comparison.targets);
  add_bytes(json, "reference_step_bytes", comparison.reference_bytes);
  json.key("manifest");
  write(json, manifest.root());
  size_t index = 0;
  add_objects(json, "tests", comparison.tests, [&](const TestResult& test) {
    add_test(json, comparison, test);
    if (comparison.layers && index < comparison.layers->tests.size()) add_layers(json, comparison.layers->tests[index]);
    ++index;
  });
  if (comparison.layers) {
    json.field("layer_rows", comparison.layers->rows);
    add_ranges(json, "reference_ranges", comparison.layers->ranges);
  }
  if (comparison.islands) add_islands(json, *comparison.islands);
  json.end_object();
  return json.json() + "\n";
}

}  // namespace gpt2run
