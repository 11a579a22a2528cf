// Rig: what the engine's tests share. It has a backend, an engine on a session with its own samplers, and a listener
// that records everything.
#pragma once
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/recording_listener.hpp"
#include "support/argmax.hpp"
#include "support/plugin.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {

// The parameter of every test.
struct EngineBackend {
  std::string name;
  std::function<std::unique_ptr<Session>(const Checkpoint&, const Limits&)> open;
  // Makes the sampler plugin of that name for that memory space.
  std::function<std::unique_ptr<Sampler>(const std::string& name, const OptionValues&, Space)> make_sampler;
  // Turns a sampler in host memory into one of `samplers`. Empty: the tests' own samplers stay in host memory.
  std::function<std::unique_ptr<Sampler>(std::unique_ptr<Sampler>)> lift = {};
  Space samplers = Space::host;  // where the chains are, except kHostChain
  int32_t replay = 1;            // EngineOptions::replay
  int schedules = 1000;          // most random schedules to run
};
inline std::ostream& operator<<(std::ostream& out, const EngineBackend& backend) { return out << backend.name; }

inline const TinyCheckpoint& engine_model() {
  static const TinyCheckpoint model;
  return model;
}

// A tokenizer with a UTF-8 character and a stop text that each take two tokens; the other tokens are letters.
struct Pieces final : Tokenizer {
  std::vector<int32_t> encode(std::string_view, bool) const override { return {}; }
  std::string_view piece(int32_t id) const override { return pieces.at(id); }
  int32_t size() const override { return static_cast<int32_t>(pieces.size()); }
  int32_t end_of_text() const override { return 22; }
  std::vector<std::string> pieces = [] {
    std::vector<std::string> all;
    for (int id = 0; id < 23; ++id) all.emplace_back(1, static_cast<char>('a' + id));
    all[5] = "\xe2", all[6] = "\x82\xac", all[7] = "S", all[8] = "T", all[22] = "<|endoftext|>";
    return all;
  }();
};

// The chains of a Rig. Most draw from the whole vocabulary, so that any difference in bits or keys soon shows.
enum ChainName : int { kDraw, kPenaltyDraw, kGreedy, kHostChain, kRefusing };

struct SamplerName {
  const char* name;
  OptionValues created;
};

inline std::vector<SamplerName> samplers_of(ChainName chain) {
  const SamplerName draw = {"nucleus", {{"temp", "2"}, {"top_k", "0"}, {"top_p", "1"}}};
  switch (chain) {
    case kDraw:
    case kHostChain:
      return {draw};
    case kPenaltyDraw:
      return {{"repetition-penalty", {{"penalty", "1.5"}}}, draw};
    case kGreedy:
      return {{"argmax", {}}};
    case kRefusing:
      return {{"min-p", {{"min_p", "0.001"}}}, draw};
  }
  return {};
}

// A request that tests can copy: chain and options are given by name and value.
struct TestRequest {
  Request request;
  ChainName chain = kDraw;
  std::vector<OptionValues> options = {};  // for each sampler; empty: as it was created
};

struct RigOptions {
  int32_t slots = 3, context = 0;                                               // context 0: the model's
  EngineOptions options = {.chunk = 4, .wants = kLogprob | kLogits | kPrompt};  // replay comes from the backend
  OptionValues created = {};                                                    // override those of kDraw's nucleus
  std::shared_ptr<Session> session = {};                                        // null: the rig opens its own
  std::optional<int32_t> rows = {};                                             // Limits::rows
  std::shared_ptr<const Chain> chain = {};                                      // the engine's; null: kDraw
};

inline Limits limits_of(const RigOptions& setup) {
  const int32_t context = setup.context ? setup.context : engine_model().config().T;
  Limits limits = engine_limits(setup.options, setup.slots, context, true);
  limits.rows = setup.rows.value_or(limits.rows), limits.threads = 1;
  return limits;
}

inline std::shared_ptr<Session> open_session(const EngineBackend& backend, const RigOptions& setup) {
  return backend.open(engine_model(), limits_of(setup));
}

// A chain that owns its samplers.
inline std::shared_ptr<const Chain> owning_chain(std::vector<std::unique_ptr<Sampler>> samplers, Space space,
                                                 bool changes_logits = false) {
  struct Owned {
    std::vector<std::unique_ptr<Sampler>> samplers;
    Chain chain;
  };
  const auto owned = std::make_shared<Owned>();
  owned->samplers = std::move(samplers);
  for (const auto& sampler : owned->samplers) owned->chain.samplers.push_back(sampler.get());
  owned->chain.space = space, owned->chain.changes_logits = changes_logits;
  return {owned, &owned->chain};
}

// A chain of a test's own samplers, which are written for host memory.
inline std::shared_ptr<const Chain> chain_of_tests(const EngineBackend& backend,
                                                   std::vector<std::unique_ptr<Sampler>> samplers,
                                                   bool changes_logits = false) {
  if (backend.lift)
    for (auto& sampler : samplers) sampler = backend.lift(std::move(sampler));
  return owning_chain(std::move(samplers), backend.lift ? backend.samplers : Space::host, changes_logits);
}

inline std::shared_ptr<const Chain> named_chain(const EngineBackend& backend, ChainName name,
                                                const OptionValues& created = {}) {
  const Space space = name == kHostChain ? Space::host : backend.samplers;
  std::vector<std::unique_ptr<Sampler>> samplers;
  for (SamplerName& sampler : samplers_of(name)) {
    if (std::string_view(sampler.name) == "nucleus")
      for (const auto& [key, value] : created) sampler.created[key] = value;
    samplers.push_back(backend.make_sampler(sampler.name, sampler.created, space));
  }
  return owning_chain(std::move(samplers), space, name == kPenaltyDraw || name == kRefusing);
}

class Rig {
 public:
  explicit Rig(const EngineBackend& backend, RigOptions setup = {})
      : backend_(backend),
        session_(setup.session ? setup.session : open_session(backend, setup)),
        engine_chain_(setup.chain ? setup.chain : named_chain(backend, kDraw, setup.created)) {
    setup.options.replay = backend.replay;
    engine_.emplace(*session_, engine_model().config(), limits_of(setup), setup.options, engine_chain_, &pieces_,
                    listener);
  }

  RecordingListener listener;
  Engine& engine() { return *engine_; }
  Session& session() { return *session_; }
  bool step() { return engine_->step(); }
  void run() {
    while (engine_->step()) {
    }
  }

  // The request in the engine's form.
  Request request_of(const TestRequest& spec) {
    Request request = spec.request;
    if (spec.chain != kDraw) request.chain = chain(spec.chain);
    const std::vector<SamplerName> samplers = samplers_of(spec.chain);
    for (size_t i = 0; i < spec.options.size(); ++i) {
      std::shared_ptr<const PluginOptions> options;
      const Plugin& plugin = load_plugin(Kind::sampler, samplers.at(i).name);
      if (!spec.options[i].empty()) options = std::make_shared<const PluginOptions>(plugin, spec.options[i]);
      request.options.push_back(options);
    }
    return request;
  }

  RequestId submit(const TestRequest& spec) { return submit(request_of(spec)); }
  RequestId submit(Request request) {
    const Request copy = request;
    const RequestId id = engine_->submit(std::move(request));
    listener.expect(id, copy);
    return id;
  }

  std::shared_ptr<const Chain> chain(ChainName name) {
    std::shared_ptr<const Chain>& chain = chains_[name];
    if (!chain) chain = name == kDraw ? engine_chain_ : named_chain(backend_, name);
    return chain;
  }

 private:
  const EngineBackend& backend_;
  Pieces pieces_;
  std::shared_ptr<Session> session_;
  std::shared_ptr<const Chain> engine_chain_;
  std::map<ChainName, std::shared_ptr<const Chain>> chains_;
  std::optional<Engine> engine_;  // last, so that it is destroyed first
};

// What a request gives in a fresh engine on a fresh session.
inline RequestLog alone(const EngineBackend& backend, TestRequest spec, RigOptions setup = {}) {
  setup.session = nullptr;
  spec.request.group = 0, spec.request.priority = 0;
  Rig rig(backend, setup);
  const RequestId id = rig.submit(spec);
  rig.run();
  return rig.listener.of(id);
}

inline std::vector<int32_t> some_prompt(int length, uint64_t which = 0) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < length; ++i) tokens.push_back(static_cast<int32_t>(random_bits(7, which, i) % 22));
  return tokens;
}

// A plain request that always reaches its full length.
inline TestRequest request_for(std::vector<int32_t> tokens, int64_t max_new, uint64_t sequence = 0,
                               uint32_t wants = kLogprob) {
  TestRequest spec;
  spec.request.tokens = std::move(tokens), spec.request.max_new = max_new, spec.request.sequence = sequence;
  spec.request.wants = wants, spec.request.ignore_eos = true;
  return spec;
}

// Requests of every kind, with different lengths, seeds, stops, wants, chains and options. Some prompts share a prefix.
inline std::vector<TestRequest> mixed_requests() {
  constexpr std::array<int, 7> kLengths = {1, 2, 3, 5, 8, 13, 21};
  constexpr std::array<int64_t, 6> kNew = {7, 1, 12, 0, 4, 18};
  constexpr std::array<uint32_t, 5> kWants = {kLogprob, 0, kLogprob | kPrompt, kLogits, kLogprob | kLogits | kPrompt};
  std::vector<TestRequest> requests;
  for (int i = 0; i < 36; ++i) {
    TestRequest spec = request_for(some_prompt(kLengths[i % 7], i % 2), kNew[i % 6], i % 4, kWants[i % 5]);
    if (i % 3 == 0) spec.request.tokens.back() = i % 22;
    spec.request.seed = 42 + i % 3, spec.request.ignore_eos = i % 4 != 1;
    spec.request.end_logits = spec.request.max_new == 0 && i % 4 != 3;
    // Some go on beyond the context, twice.
    if (i % 7 == 3 && spec.request.max_new > 0) {
      const int context = engine_model().config().T;
      spec.request.context_shift = i % 2 ? context / 2 : context - 3, spec.request.max_new = context + 20;
    }
    if (i % 5 == 2) spec.request.stops = {"ST", i % 2 ? "k" : "bc"};
    spec.chain = static_cast<ChainName>(i % 11 % 4);
    if (i % 3 == 1 && spec.chain == kPenaltyDraw) spec.options = {{{"penalty", "3"}, {"last_n", "4"}}, {}};
    if (i % 3 == 1 && spec.chain != kPenaltyDraw && spec.chain != kGreedy)
      spec.options = {{{"temp", i % 2 ? "0.5" : "5"}, {"top_k", std::to_string(i % 6)}, {"top_p", "1"}}};
    requests.push_back(std::move(spec));
  }
  return requests;
}

// One of the mixed requests, with what it gives alone.
struct KnownRequest {
  TestRequest spec;
  RequestLog alone;
};

class EngineTest : public testing::TestWithParam<EngineBackend> {
 protected:
  // All mixed requests, each run alone once per backend.
  static const std::vector<KnownRequest>& known() {
    static std::map<std::string, std::vector<KnownRequest>> of_backends;
    std::vector<KnownRequest>& all = of_backends[GetParam().name];
    if (all.empty())
      for (const TestRequest& spec : mixed_requests()) all.push_back({spec, test::alone(GetParam(), spec)});
    return all;
  }

  static RequestLog alone(const TestRequest& spec, const RigOptions& setup = {}) {
    return test::alone(GetParam(), spec, setup);
  }

  // True if prefill and decode give the same bits in any batch, so that prefixes may be reused.
  static bool shares_by_content(Rig& rig) { return rig.session().traits().batch && rig.session().traits().prefill; }
};

}  // namespace gpt2run::test
