// Sink null: discards everything, to measure a run without output.
#include "../common/sink_plugin.hpp"

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

GPT2RUN_PLUGIN = gpt2run::sink_plugin<gpt2run::Null>("null", "keeps nothing");
