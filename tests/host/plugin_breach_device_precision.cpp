// A precision on the fake device whose repeat() runs any body, whatever it takes. The conformance kit must notice.
#include "support/exact_ops.hpp"
#include "support/fake_device.hpp"

namespace {

using namespace gpt2run;

class Careless final : public Session {
 public:
  Careless(const Checkpoint& checkpoint, const Limits& limits)
      : own_(std::make_shared<test::ExactOps>(), checkpoint, limits) {}

  const Traits& traits() const override { return own_.traits(); }
  LogitBatch layout() const override { return own_.layout(); }
  void start(int slot, const Start& start) override { own_.start(slot, start); }
  LogitBatch step(std::span<const Row> rows) override { return own_.step(rows); }
  void score(const LogitBatch& batch) override { own_.score(batch); }
  using Session::read;
  using Session::write;
  void read(const void* from, void* host, size_t bytes) override { own_.read(from, host, bytes); }
  void write(const void* host, void* to, size_t bytes) override { own_.write(host, to, bytes); }

 private:
  test::FakeSession<test::ExactOps> own_;
};

struct Fake : Precision {
  Fake(const Options&, const Host&) {}
  std::unique_ptr<Session> open(const Checkpoint& checkpoint, const Limits& limits) override {
    return std::make_unique<Careless>(checkpoint, limits);
  }
};

}  // namespace

GPT2RUN_PLUGIN = {.abi = kAbi,
                  .tag = kTag,
                  .kind = Kind::precision,
                  .space = Space::test,
                  .selects = false,
                  .name = FIXTURE_NAME,
                  .version = "1",
                  .summary = "runs any body",
                  .options = nullptr,
                  .option_count = 0,
                  .probe = runs_everywhere,
                  .create = make<Precision, Fake>};
