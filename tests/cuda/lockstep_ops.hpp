// CudaLockstepOps: the CUDA operations as an Ops set in host memory, for the tests of rounding contracts. The state is
// copied to the device's layout before each operation and back after it, so that every operation can be tested on
// inputs that another set has computed.
#pragma once
#include "../../precisions/cuda/ops.hpp"
#include "executor/executor.hpp"
#include "gpt2run/sdk/host_state.hpp"

namespace gpt2run::test {

template <class Value>
class CudaLockstepOps {
 public:
  using Step = HostStep;
  struct State : HostState<float> {
    State(const ModelConfig& m, const Limits& limits) : HostState<float>(m, limits), device(m, limits, true) {}
    cuda::DeviceState<Value> device;
  };
  using Weights = cuda::DeviceWeights<Value>;

  explicit CudaLockstepOps(cuda::Invariant invariant, cuda::Epilogue epilogue)
      : epilogue_(epilogue), planner_(invariant, {}) {}

  Weights load(const Checkpoint& checkpoint) {
    Weights weights = cuda::WeightLoader<Value>(checkpoint, Overflow::error, nullptr).load(epilogue_);
    weights.set_read_only();
    return weights;
  }

  void embed(const typename Weights::Embedding& w, State& s, const Step& step) {
    run(s, step, [&](auto& device, auto& on) { ops_.embed(w, device, on); });
  }
  void norm_qkv(const typename Weights::Layer& w, State& s, const Step& step, int layer) {
    run(s, step, [&](auto& device, auto& on) { ops_.norm_qkv(w, device, on, layer); });
  }
  void attention(State& s, const Step& step, int layer) {
    run(s, step, [&](auto& device, auto& on) { ops_.attention(device, on, layer); });
  }
  void project_add(const typename Weights::Layer& w, State& s, const Step& step) {
    run(s, step, [&](auto& device, auto& on) { ops_.project_add(w, device, on); });
  }
  void norm_up_gelu(const typename Weights::Layer& w, State& s, const Step& step) {
    run(s, step, [&](auto& device, auto& on) { ops_.norm_up_gelu(w, device, on); });
  }
  void down_add(const typename Weights::Layer& w, State& s, const Step& step) {
    run(s, step, [&](auto& device, auto& on) { ops_.down_add(w, device, on); });
  }
  void norm_logits(const typename Weights::Head& w, State& s, const Step& step) {
    run(s, step, [&](auto& device, auto& on) { ops_.norm_logits(w, device, on); });
  }

 private:
  // Calls each(host value, device value) for (rows, cols) of FP32 in host memory and rows of `stride` values in device
  // memory. On the executor, the host may access device memory once it has waited.
  template <class Stored, class Each>
  static void both(std::vector<float>& host, size_t rows, size_t cols, Stored* device, size_t stride, Each each) {
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < cols; ++c) each(host[r * cols + c], device[r * stride + c]);
  }

  template <class Each>
  static void all(State& s, const Step& step, Each each) {
    const size_t C = s.config.C, F = s.config.F, H = s.config.H, D = C / H, rows = step.rows.size();
    auto& d = s.device;
    both(s.x, rows, C, d.x.data(), d.x_stride, each);
    both(s.q, rows * H, D, d.q.data(), d.head, each);
    both(s.a, rows, C, d.a.data(), d.width, each);
    both(s.h, rows, F, d.h.data(), d.up_width, each);
    both(s.keys, s.keys.size() / D, D, d.keys.data(), d.head, each);
    both(s.values, s.values.size() / D, D, d.values.data(), d.head, each);
    both(s.logits, step.logit_rows.size(), s.stride, d.logits.data(), d.stride, each);
  }

  cuda::DeviceStep plan(const Step& step) {
    std::vector<Row> rows;
    for (const HostRow& row : step.rows) rows.push_back({row.slot, row.token, false});
    for (const int32_t r : step.logit_rows) rows[r].logits = true;
    return planner_.plan(rows);
  }

  template <class Run>
  void run(State& s, const Step& step, Run operation) {
    auto& d = s.device;
    const executor::OpenMemory open;
    cuda::wait(d.stream.get());
    for (size_t r = 0; r < step.rows.size(); ++r)
      d.rows.data()[r] = {step.rows[r].slot, step.rows[r].position, step.rows[r].token};
    std::copy(step.logit_rows.begin(), step.logit_rows.end(), d.logit_rows.data());
    all(s, step, [](float host, auto& device) { device = from_f32<std::decay_t<decltype(device)>>(host); });
    const cuda::DeviceStep on = plan(step);
    operation(d, on);
    cuda::wait(d.stream.get());
    all(s, step, [](float& host, auto& device) { host = to_f32(device); });
  }

  cuda::Epilogue epilogue_;
  cuda::CudaOps<Value> ops_{cuda::open_gemm(), epilogue_};
  cuda::StepPlanner planner_;
};

}  // namespace gpt2run::test
