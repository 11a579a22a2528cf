// Precision fake: the reference's FP32 contract on the fake device.
#include "support/exact_ops.hpp"
#include "support/fake_device.hpp"

namespace {

using namespace gpt2run;

struct Fake : Precision {
  Fake(const Options&, const Host&) {}
  std::unique_ptr<Session> open(const Checkpoint& checkpoint, const Limits& limits) override {
    return std::make_unique<test::FakeSession<test::ExactOps>>(std::make_shared<test::ExactOps>(), checkpoint, limits);
  }
};

}  // namespace

GPT2RUN_PLUGIN = {kAbi,
                  kTag,
                  Kind::precision,
                  Space::test,
                  false,
                  "fake",
                  "1",
                  "FP32 on a device that cannot be peeked at",
                  nullptr,
                  0,
                  runs_everywhere,
                  make<Precision, Fake>};
