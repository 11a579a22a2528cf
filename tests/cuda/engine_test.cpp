// The engine on the CUDA precisions of the executor, with the same tests as on all other backends. The backends differ
// in where samplers are, in whether decode steps are recorded, and in whether prefill and decode give the same bits.
#include "engine/engine_checks.hpp"

namespace gpt2run::test {
namespace {

// Each schedule takes about a second here; the other backends run all of them.
constexpr int kSchedules = 8;

std::unique_ptr<Sampler> executor_sampler(const std::string& name, const OptionValues& options, Space space) {
  if (space == Space::host) return make_plugin<Sampler>(Kind::sampler, name, options);
  const Plugin& plugin = load_plugin_file(GPT2RUN_TEST_SAMPLERS "/gpt2run-sampler-" + name + ".test.so");
  return std::unique_ptr<Sampler>(static_cast<Sampler*>(plugin.create(PluginOptions(plugin, options), kTestHost)));
}

EngineBackend executor_backend(const std::string& type, const std::string& invariant, Space samplers) {
  const auto open = [=](const Checkpoint& checkpoint, const Limits& limits) {
    const Plugin& plugin = load_plugin_file(GPT2RUN_TEST_PRECISIONS "/gpt2run-precision-cuda-" + type + ".test.so");
    const PluginOptions options(plugin, {{"invariant", invariant}});
    const std::unique_ptr<Precision> precision(static_cast<Precision*>(plugin.create(options, kTestHost)));
    return precision->open(checkpoint, limits);
  };
  return {.name = type + "_" + invariant + (samplers == Space::host ? "_host_samplers" : ""),
          .open = open,
          .make_sampler = executor_sampler,
          .samplers = samplers,
          .replay = samplers == Space::host ? 1 : 16,
          .schedules = kSchedules};
}

INSTANTIATE_TEST_SUITE_P(Executor, EngineTest,
                         testing::Values(executor_backend("fp16", "on", Space::test),
                                         executor_backend("fp32", "prefill", Space::test),
                                         executor_backend("bf16", "on", Space::host)),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace gpt2run::test
