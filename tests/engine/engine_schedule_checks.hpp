// Random schedules: whenever requests arrive, end, share or are cancelled, each gives the same as alone.
#pragma once
#include <cstdlib>
#include <random>
#include <set>

#include "engine/engine_rig.hpp"

namespace gpt2run::test {

// A schedule drawn from a seed, of up to a dozen of the mixed requests with priorities and groups. Listeners submit and
// cancel too.
class Schedule {
 public:
  Schedule(const EngineBackend& backend, const std::vector<KnownRequest>& known, const RigOptions& setup, uint32_t seed)
      : known_(known),
        most_rows_(setup.slots + setup.options.chunk),
        random_(seed),
        rig_(backend, setup),
        count_(1 + random_() % 12) {
    rig_.listener.on_token = [this](RequestId id, const TokenEvent&) {
      if (one_in(60)) cancel(one_in(2) ? id : any());
    };
    rig_.listener.on_start = [this](RequestId id) {
      if (one_in(25)) cancel(one_in(2) ? id : any());
    };
    rig_.listener.on_finish = [this](RequestId) {
      if (chosen_.size() < count_ && one_in(4)) submit();
      if (one_in(12)) cancel(any());
    };
  }

  void run() {
    for (bool works = true; works || chosen_.size() < count_;) {
      while (chosen_.size() < count_ && !one_in(3)) submit();
      if (!chosen_.empty() && one_in(12)) cancel(any());
      works = step();
    }
    for (size_t i = 0; i < chosen_.size(); ++i) {
      const RequestLog &log = rig_.listener.of(ids_[i]), &alone = known_[chosen_[i]].alone;
      log.reason == Reason::cancelled ? expect_begins(log, alone) : expect_same(log, alone);
    }
    for (const auto& [id, tokens] : cancelled_) EXPECT_EQ(rig_.listener.of(id).tokens.size(), tokens) << id;
  }

 private:
  bool one_in(uint32_t n) { return random_() % n == 0; }
  RequestId any() { return ids_[random_() % ids_.size()]; }

  void submit() {
    chosen_.push_back(random_() % known_.size());
    TestRequest spec = known_[chosen_.back()].spec;
    spec.request.group = random_() % 3, spec.request.priority = static_cast<int32_t>(random_() % 3);
    ids_.push_back(rig_.submit(spec));
    if (spec.request.context_shift > 0) shifts_.insert(ids_.back());
  }

  void cancel(RequestId id) {
    rig_.engine().cancel(id);
    cancelled_.try_emplace(id, rig_.listener.of(id).tokens.size());
  }

  // Every decoding request gets a token in every step, unless it reads its last tokens again in a shifted context. A
  // step has no more rows than the slots plus one chunk.
  bool step() {
    std::vector<std::pair<RequestId, size_t>> decoding;
    for (const RequestId id : rig_.listener.starts)
      if (const size_t tokens = rig_.listener.of(id).tokens.size();
          tokens > 0 && !rig_.listener.has_finished(id) && !shifts_.contains(id))
        decoding.emplace_back(id, tokens);
    const EngineCounts before = rig_.engine().counts();
    const bool works = rig_.step();
    const EngineCounts& after = rig_.engine().counts();
    EXPECT_LE(after.rows - before.rows, (after.steps - before.steps) * most_rows_);
    for (const auto& [id, tokens] : decoding)
      EXPECT_TRUE(rig_.listener.of(id).tokens.size() > tokens || cancelled_.contains(id)) << id << " waited";
    return works;
  }

  const std::vector<KnownRequest>& known_;
  int64_t most_rows_;
  std::mt19937 random_;
  Rig rig_;
  size_t count_;                           // number of requests to submit
  std::vector<size_t> chosen_;             // indices in known_ of the submitted requests
  std::vector<RequestId> ids_;             // and their ids
  std::set<RequestId> shifts_;             // those that may go on beyond the context
  std::map<RequestId, size_t> cancelled_;  // with the number of tokens reported before
};

// The number that an environment variable holds, or `otherwise` if it is not set.
inline int number_from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::stoi(text) : otherwise;
}

// A backend that is too slow for all schedules runs some of them, from GPT2RUN_FIRST_SCHEDULE on, which scripts/test.sh
// sets by the commit. GPT2RUN_SCHEDULES is the most to run in place of the backend's number.
TEST_P(EngineTest, RandomSchedules) {
  std::vector<RigOptions> setups;
  for (const int slots : {1, 2, 3, 4}) {
    for (const bool reuse : {false, true}) {
      setups.push_back({.slots = slots});
      setups.back().options.reuse = reuse;
      setups.back().session = open_session(GetParam(), setups.back());  // one for all schedules, engine after engine
    }
  }
  const int first = number_from_environment("GPT2RUN_FIRST_SCHEDULE", 0);
  const int count = number_from_environment("GPT2RUN_SCHEDULES", GetParam().schedules);
  for (int i = first; i < first + count && !HasFailure(); ++i) {
    SCOPED_TRACE("schedule " + std::to_string(i));
    Schedule(GetParam(), known(), setups[i % setups.size()], static_cast<uint32_t>(i)).run();
  }
}

}  // namespace gpt2run::test
