// races right|broken: kernels under ThreadSanitizer, which takes only starts, barriers, exchanges and ends for order.
// `right` runs right kernels, the samplers' selection and a whole network, and ends with 0; `broken` runs one without
// its barrier, and the sanitizer's report names it.
#include <iostream>
#include <string_view>

#include "../../precisions/cuda/session.hpp"
#include "kernels.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

constexpr int kBlocks = 3;

template <bool kBarrier>
void sum() {
  std::vector<float> in(kBlocks * kThreads, 1.0f), out(kBlocks);
  cuda::launch({"sum", {kBlocks, 1, 1}, kThreads, cuda::Shared::bytes_of<float>(2), nullptr}, sum_kernel<kBarrier>,
               in.data(), out.data());
}

void last_block() {
  int counter = 0;
  float partial[kBlocks] = {}, out = 0;
  cuda::launch({"last", {kBlocks, 1, 1}, kThreads, 0, nullptr}, last_block_kernel, &counter, partial, &out);
}

// Attention over two chunks of the cache, products of one row and of several.
template <class Value>
void network() {
  const TinyCheckpoint checkpoint(
      {.L = 1, .H = 2, .C = 12, .F = 20, .V = 23, .T = 80, .end_of_text = 22, .epsilon = 1e-5f});
  const Limits limits = {
      .slots = 2, .context = 80, .rows = 80, .logit_rows = 2, .threads = 0, .device = 0, .keep_raw = true, .seed = 1};
  cuda::CudaSession<Value> session(checkpoint, limits, Overflow::error, cuda::Invariant::on, 0);
  std::vector<Row> rows(70, Row{0, 3, false});
  rows.push_back({1, 4, true});
  session.score(session.step(rows));
  const Row next[] = {{1, 5, true}};
  const LogitBatch batch = session.step(next);
  float logit;
  session.read(batch.logits, &logit, sizeof logit);
}

}  // namespace
}  // namespace gpt2run::test

int main(int count, char** arguments) {
  using namespace gpt2run::test;
  const std::string_view what = count == 2 ? arguments[1] : "";
  if (what == "broken") {
    sum<false>();
  } else if (what == "right") {
    sum<true>(), last_block(), network<float>(), network<gpt2run::f16>();
  } else {
    std::cerr << "usage: races right|broken\n";
    return 2;
  }
  std::cout << "ran " << what << "\n";
}
