// Precision planted: BF16, but in layer 1 the output of the activation function is rounded to steps of 1/4. Its option
// `exact` is that of `reference`.
#include "grid.hpp"

namespace {

using gpt2run::Site;

struct Planted : gpt2run::ReferenceOps {
  Planted(const gpt2run::Options& options, const gpt2run::Host&) : exact_(options.text("exact")) {}

  float round(gpt2run::Point, float x) const override { return gpt2run::round_to(gpt2run::Type::bf16, x); }

  void round_row(const Site& site, std::span<float> row) const override {
    if (exact_.holds(site)) return;
    ReferenceOps::round_row(site, row);
    if (site.point != gpt2run::Point::gelu || site.layer != 1) return;
    for (float& x : row) x = std::round(x * 4) / 4;
  }

 private:
  gpt2run::grid::Exact exact_;
};

constexpr gpt2run::OptionSpec kOptions[] = {{"exact", "text", "", "", "parts that stay FP32"}};

}  // namespace

GPT2RUN_PLUGIN = gpt2run::precision_plugin<Planted>("planted", "BF16 with one coarse operation", kOptions);
