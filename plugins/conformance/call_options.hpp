// Options that are valid for a single call of Sampler::configure().
#pragma once
#include "gpt2run/plugin.hpp"

namespace gpt2run::conformance {

// Forwards to other options until end() is called. A sampler that reads them later, which the contract forbids, gets an
// Error instead of undefined behaviour.
class CallOptions final : public Options {
 public:
  explicit CallOptions(const Options& shown) : shown_(&shown) {}  // not owned

  void end() { shown_ = nullptr; }

  double real(const char* key) const override { return shown().real(key); }
  int64_t integer(const char* key) const override { return shown().integer(key); }
  bool flag(const char* key) const override { return shown().flag(key); }
  std::string_view text(const char* key) const override { return shown().text(key); }

 private:
  const Options& shown() const {
    if (!shown_) fail("it read options of configure() after the call");
    return *shown_;
  }

  const Options* shown_;
};

}  // namespace gpt2run::conformance
