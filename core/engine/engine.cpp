#include "gpt2run/engine/engine.hpp"

#include "loop.hpp"

namespace gpt2run {

Engine::Engine(Session& session, const ModelConfig& config, const Limits& limits, const EngineOptions& options,
               std::shared_ptr<const Chain> chain, const Tokenizer* tokenizer, Listener& listener)
    : loop_(std::make_unique<EngineLoop>(session, config, limits, options, std::move(chain), tokenizer, listener)) {}
Engine::~Engine() = default;

void Engine::check(const Request& request) const { loop_->check(request); }
RequestId Engine::submit(Request request) { return loop_->submit(std::move(request)); }
void Engine::cancel(RequestId id) { loop_->cancel(id); }
bool Engine::step() { return loop_->step(); }
void Engine::reset() { loop_->reset(); }
bool Engine::tap(Tap* tap) { return loop_->tap(tap); }
std::span<const StepRow> Engine::rows() const { return loop_->rows(); }
size_t Engine::waiting() const { return loop_->waiting(); }
size_t Engine::running() const { return loop_->running(); }
const EngineCounts& Engine::counts() const { return loop_->counts(); }
std::string_view Engine::why_not_replayed() const { return loop_->why_not_replayed(); }

}  // namespace gpt2run
