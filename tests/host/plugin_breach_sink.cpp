// A sink that leaves a file although its run never ended. The conformance kit must notice.
#include <fstream>

#include "gpt2run/sink.hpp"

namespace {

struct Litterer final : gpt2run::Sink {
  Litterer(const gpt2run::Options&, const gpt2run::Host&) {}
  uint32_t wants() const override { return 0; }
  void token(const gpt2run::TokenEvent& event) override { std::ofstream("tokens.txt") << event.text; }
};

}  // namespace

GPT2RUN_PLUGIN = {.abi = gpt2run::kAbi,
                  .tag = gpt2run::kTag,
                  .kind = gpt2run::Kind::sink,
                  .space = gpt2run::Space::host,
                  .selects = false,
                  .name = FIXTURE_NAME,
                  .version = "1",
                  .summary = "leaves a file",
                  .options = nullptr,
                  .option_count = 0,
                  .probe = gpt2run::runs_everywhere,
                  .create = gpt2run::make<gpt2run::Sink, Litterer>};
