// Sink null: takes everything and keeps nothing; for measuring the rest.
#include "gpt2run/sink.hpp"

namespace gpt2run {
namespace {

class Null final : public Sink {
 public:
  Null(const Options&, const Host&) {}
  uint32_t wants() const override { return kAnyOrder; }
  void token(const TokenEvent&) override {}
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sink,
    .space = gpt2run::Space::host,
    .selects = false,
    .name = "null",
    .version = "0.1.0",
    .summary = "keeps nothing",
    .options = nullptr,
    .option_count = 0,
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sink, gpt2run::Null>,
};
