// ScriptedOps: a network whose next token comes from a table: token t is followed by script[t]. It counts rows and
// steps, so that tests can see how often the loop computes something.
#pragma once
#include <functional>
#include <memory>
#include <numeric>
#include <vector>

#include "gpt2run/sdk/host_session.hpp"

namespace gpt2run::test {

struct Script {
  std::vector<int32_t> next;                     // (V)
  std::function<void(HostState<float>&)> spoil;  // changes the logits after a step; may be empty
  int steps = 0;
  int64_t rows = 0, logit_rows = 0;
};

// The model of the tests of the loop, and its table: t is followed by t + 1, and the end of text by 0.
inline constexpr ModelConfig kShape{
    .L = 1, .H = 1, .C = 2, .F = 2, .V = 40, .T = 64, .end_of_text = 39, .epsilon = 1e-5f};
inline std::shared_ptr<Script> counting_script() {
  const auto script = std::make_shared<Script>();
  script->next.resize(static_cast<size_t>(kShape.V));
  std::iota(script->next.begin(), script->next.end(), 1);
  script->next[static_cast<size_t>(kShape.end_of_text)] = 0;
  return script;
}

class ScriptedOps {
 public:
  struct Weights {
    struct Part {};
    ModelConfig config;
    Part embedding, layers[1], head;
  };
  using State = HostState<float>;
  using Step = HostStep;

  explicit ScriptedOps(std::shared_ptr<Script> script) : script_(std::move(script)) {}

  Weights load(const Checkpoint& checkpoint) const {
    Weights weights;
    weights.config = checkpoint.config();
    return weights;
  }
  void embed(const Weights::Part&, State& s, const Step& step) {
    ++script_->steps, script_->rows += std::ssize(step.rows);
    for (size_t r = 0; r < step.rows.size(); ++r) s.x[r * s.config.C] = static_cast<float>(step.rows[r].token);
  }
  void norm_qkv(const Weights::Part&, State&, const Step&, int) {}
  void attention(State&, const Step&, int) {}
  void project_add(const Weights::Part&, State&, const Step&) {}
  void norm_up_gelu(const Weights::Part&, State&, const Step&) {}
  void down_add(const Weights::Part&, State&, const Step&) {}
  void norm_logits(const Weights::Part&, State& s, const Step& step) {
    script_->logit_rows += std::ssize(step.logit_rows);
    for (size_t i = 0; i < step.logit_rows.size(); ++i) {
      std::fill_n(&s.logits[i * s.stride], s.config.V, 0.0f);
      s.logits[i * s.stride + script_->next.at(static_cast<size_t>(s.x[step.logit_rows[i] * s.config.C]))] = 10;
    }
    if (script_->spoil) script_->spoil(s);
  }

 private:
  std::shared_ptr<Script> script_;
};

// A checkpoint with only a shape; its weights are never read.
struct ShapeOnly final : Checkpoint {
  explicit ShapeOnly(const ModelConfig& shape) : shape(shape) {}
  const ModelConfig& config() const override { return shape; }
  Tensor tensor(Weight, int) const override { fail("a scripted network has no weights"); }
  const char* tokenizer() const override { return nullptr; }
  ModelConfig shape;
};

}  // namespace gpt2run::test
