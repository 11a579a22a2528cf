// Random schedules: whatever arrives, leaves, shares or is cancelled when, each request equals itself alone.
#pragma once
#include <random>

#include "engine/engine_rig.hpp"

namespace gpt2run::test {

// One schedule of up to a dozen of the mixed requests, with priorities and groups of their own, drawn from a seed.
class Schedule {
 public:
  template <class Known>
  static void run(const EngineBackend& backend, const std::vector<Known>& known, const RigOptions& setup,
                  uint32_t seed) {
    std::mt19937 random(seed);
    const auto one_in = [&](uint32_t n) { return random() % n == 0; };
    struct Entry {
      RequestId id;
      size_t which;
    };
    Rig rig(backend, setup);
    std::vector<Entry> entries;
    const size_t count = 1 + random() % 12;
    const auto submit = [&] {
      const size_t which = random() % known.size();
      Ask ask = known[which].ask;
      ask.request.group = random() % 3, ask.request.priority = static_cast<int32_t>(random() % 3);
      entries.push_back({rig.submit(ask), which});
    };
    rig.ear.on_token = [&](RequestId id, const TokenEvent&) {
      if (one_in(60)) rig.engine().cancel(one_in(2) ? id : entries[random() % entries.size()].id);
    };
    rig.ear.on_finish = [&](RequestId) {
      if (entries.size() < count && one_in(4)) submit();
    };
    for (bool works = true; works || entries.size() < count;) {
      while (entries.size() < count && !one_in(3)) submit();
      if (!entries.empty() && one_in(12)) rig.engine().cancel(entries[random() % entries.size()].id);
      works = rig.step();
    }
    rig.ear.on_finish = nullptr;
    for (const auto& [id, which] : entries) {
      const std::string name = "schedule " + std::to_string(seed) + ", request " + std::to_string(id);
      if (rig.ear.of(id).reason == Reason::cancelled)
        expect_begins(rig.ear.of(id), known[which].alone, name);
      else
        expect_same(rig.ear.of(id), known[which].alone, name);
    }
  }
};

TEST_P(EngineTest, RandomSchedules) {
  std::vector<RigOptions> setups;
  for (const int slots : {1, 2, 3, 4}) {
    for (const bool reuse : {false, true}) {
      setups.push_back({.slots = slots});
      setups.back().options.reuse = reuse;
      setups.back().session = open_session(GetParam(), setups.back());  // for all schedules, one engine after another
    }
  }
  for (int i = 0; i < GetParam().schedules && !HasFailure(); ++i)
    Schedule::run(GetParam(), known(), setups[i % setups.size()], static_cast<uint32_t>(i));
}

}  // namespace gpt2run::test
