// Every call goes to the plugin's object by name_all_exceptions(). A function that is new in the interface needs its
// place here, or its default answers in place of the plugin.
#include "common/pipeline/named_objects.hpp"

#include "common/config/create.hpp"

namespace gpt2run {
namespace {

// Owns the plugin's object.
template <class Base>
class Named : public Base {
 public:
  Named(std::unique_ptr<Base> own, std::string owner) : own_(std::move(own)), owner_(std::move(owner)) {}

 protected:
  Base& own() const { return *own_; }
  // done: as in name_exceptions().
  template <class Call>
  auto call(const char* done, const Call& call) const {
    return name_all_exceptions(owner_, done, [&] { return call(*own_); });
  }

 private:
  std::unique_ptr<Base> own_;
  std::string owner_;
};

struct NamedSampler final : Named<Sampler> {
  using Named::Named;
  void prepare(const LogitBatch& layout) override {
    call("prepared", [&](Sampler& own) { own.prepare(layout); });
  }
  void configure(int32_t slot, const Options* options) override {
    call("given options", [&](Sampler& own) { own.configure(slot, options); });
  }
  // The engine names the chain where a sampler throws an exception, so only what is none needs words.
  void sample(const LogitBatch& batch) override {
    try {
      own().sample(batch);
    } catch (const std::exception&) {
      throw;
    } catch (...) {
      fail("threw something that is no std::exception");
    }
  }
};

struct NamedSink final : Named<Sink> {
  using Named::Named;
  uint32_t wants() const override {
    return call("asked what it wants", [](const Sink& own) { return own.wants(); });
  }
  void begin(std::string_view manifest) override {
    call("given the manifest", [&](Sink& own) { own.begin(manifest); });
  }
  void start(uint64_t sequence, std::string_view prompt, std::span<const int32_t> tokens) override {
    call("given a prompt", [&](Sink& own) { own.start(sequence, prompt, tokens); });
  }
  void token(const TokenEvent& event) override {
    call("given a token", [&](Sink& own) { own.token(event); });
  }
  void step(const StepEvent& event) override {
    call("given the times of a step", [&](Sink& own) { own.step(event); });
  }
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason) override {
    call("given the end of a sequence", [&](Sink& own) { own.finish(sequence, tail, reason); });
  }
  void end(std::string_view summary) override {
    call("given the end of the run", [&](Sink& own) { own.end(summary); });
  }
  bool taps(const char* op) const override {
    return call("asked what it taps", [&](const Sink& own) { return own.taps(op); });
  }
  void tensor(const TensorEvent& event) override {
    call("given a tensor", [&](Sink& own) { own.tensor(event); });
  }
};

}  // namespace

std::unique_ptr<Sampler> with_name(std::unique_ptr<Sampler> sampler, std::string owner) {
  return std::make_unique<NamedSampler>(std::move(sampler), std::move(owner));
}

std::unique_ptr<Sink> with_name(std::unique_ptr<Sink> sink, std::string owner) {
  return std::make_unique<NamedSink>(std::move(sink), std::move(owner));
}

}  // namespace gpt2run
