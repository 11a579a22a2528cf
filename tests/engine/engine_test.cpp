// The engine on every CPU backend.
#include "engine/backends.hpp"
#include "engine/engine_checks.hpp"

namespace gpt2run::test {

INSTANTIATE_TEST_SUITE_P(Backends, EngineTest, testing::ValuesIn(cpu_engine_backends()),
                         [](const auto& row) { return row.param.name; });

}  // namespace gpt2run::test
