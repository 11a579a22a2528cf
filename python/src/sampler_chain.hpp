// Sampler chains of plugins and of functions, which the bindings make from what Python calls.
#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "gpt2run/engine/request.hpp"
#include "open_model.hpp"

namespace gpt2run::python {

// Sees one row of logits, which it may change, and the tokens before it. Returns a token, which only the last sampler
// of a chain may do, or kNone. Called by the thread that runs the engine, and may throw anything.
using SampleRow = std::function<int32_t(std::span<float> logits, std::span<const int32_t> tokens, const RowKey& key)>;

// One place of a chain: a list of plugins as --sampler takes it, or a function with its name for messages.
struct NamedFunction {
  std::string name;
  SampleRow sample;
};
using ChainItem = std::variant<std::string, NamedFunction>;

// A chain with its samplers. It outlives the engine that uses it.
class SamplerChain {
 public:
  // items: in order. If the last one is a function, it chooses the token; functions elsewhere only change logits. If
  // there is none, gpt2run's default chain is used. settings: options of the chosen plugins, by gpt2run's names; a name
  // without a plugin in it is that of any sampler of the chain. Throws UsageError as gpt2run does.
  SamplerChain(OpenModel& model, const std::vector<ChainItem>& items, const std::vector<Setting>& settings);
  SamplerChain(const SamplerChain&) = delete;
  SamplerChain& operator=(const SamplerChain&) = delete;

  std::shared_ptr<const Chain> chain() const;  // valid as long as this object

  // Throws what a function has thrown, if one has. The engine's own error only says that one did.
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void add(std::unique_ptr<Sampler> sampler, std::string name, bool selects);

  std::vector<std::unique_ptr<Sampler>> samplers_;
  Chain chain_;
  std::exception_ptr failure_;
};

}  // namespace gpt2run::python
