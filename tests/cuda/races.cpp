// races right|broken|between|not_before|not_behind|blocks: runs kernels under ThreadSanitizer, which is told that only
// starts, barriers, exchanges, fences with atomic operations between them, and ends of threads order them. `right` runs
// correct kernels, all samplers and a whole network, and exits with 0. The others run a kernel that the sanitizer must
// report. `broken` and `between` lack a necessary barrier; in `between` another barrier follows. `not_before` and
// `not_behind` lack the fence before or behind a counter of blocks. In `blocks` nothing orders the blocks.
#include <iostream>
#include <string_view>

#include "../../precisions/cuda/session.hpp"
#include "kernels.hpp"
#include "race_samplers.hpp"
#include "support/plugin.hpp"
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

template <bool kBarrier>
void mirror() {
  std::vector<float> in(kThreads, 1.0f), out(kThreads);
  cuda::launch({"mirror", {1, 1, 1}, kThreads, cuda::Shared::bytes_of<float>(kThreads), nullptr},
               mirror_kernel<kBarrier>, in.data(), out.data());
}

template <Fence kFence>
void last_block() {
  int counter = 0;
  float partial[kBlocks] = {}, out = 0;
  for (int launch = 0; launch < 2; ++launch)
    cuda::launch({"last", {kBlocks, 1, 1}, kThreads, 0, nullptr}, last_block_kernel<kFence>, &counter, partial, &out);
}

void unordered() {
  float sum = 0;
  cuda::launch({"unordered", {kBlocks, 1, 1}, kThreads, 0, nullptr}, unordered_kernel, &sum);
}

// Loads weights. Then runs a prompt of two chunks of the cache together with a row of another slot, and then 1, 2, 4
// and 8 rows of as many slots: all numbers of rows that the products compute at once. The chunks of a context of 80 are
// joined within clusters of two blocks, which the executor has by default, and those of a longer one in device memory.
template <class Value>
void network(int H, int C, int context) {
  const TinyCheckpoint checkpoint(
      {.L = 1, .H = H, .C = C, .F = 20, .V = 23, .T = context, .end_of_text = 22, .epsilon = 1e-5f});
  const Limits limits = {
      .slots = 10, .context = context, .rows = 80, .logit_rows = 8, .threads = 0, .device = 0, .keep_raw = true};
  cuda::CudaSession<Value> session(checkpoint, limits, Overflow::error, cuda::Invariant::on, 0);
  std::vector<Row> rows(70, Row{0, 3, false});
  rows.push_back({1, 4, true});
  session.score(session.step(rows));
  for (const int count : {1, 2, 4, cuda::kDecodeRows}) {
    rows.clear();
    for (int slot = 1; slot <= count; ++slot) rows.push_back({slot, 5, true});
    const LogitBatch batch = session.step(rows);
    float logit;
    session.read(batch.logits, &logit, sizeof logit);
  }
}

// Runs every sampler on two rows of logits, with options that reach all of its code.
void samplers() {
  constexpr int kVocab = 1100, kPositions = 20;  // two slices of the CUDA samplers
  const OptionValues wanted = {{"top_k", "50"},   {"min_p", "0.001"},   {"top_p", "0.9"}, {"penalty", "1.5"},
                               {"last_n", "9"},   {"prompt", "on"},     {"ngram", "2"},   {"bias", "3=-inf 599=2"},
                               {"ends", "3 599"}, {"min_tokens", "20"}, {"tau", "3"},     {"typical_p", "0.5"}};
  for (const Plugin* plugin : cuda_samplers()) {
    OptionValues own;
    for (uint32_t i = 0; i < plugin->option_count; ++i)
      if (const auto found = wanted.find(plugin->options[i].key); found != wanted.end()) own.insert(*found);
    const std::unique_ptr<Sampler> sampler(
        static_cast<Sampler*>(plugin->create(PluginOptions(*plugin, own), kTestHost)));
    std::vector<float> logits(2 * kVocab);
    for (int i = 0; i < 2 * kVocab; ++i) logits[i] = static_cast<float>(i * 7919 % 1000) * 0.01f;
    std::vector<int32_t> tokens(2 * kPositions, 3);
    tokens[12] = tokens[kPositions + 5] = kNone;
    const RowKey keys[] = {{7, 1, 0, 12, 3, 0}, {9, 1, 1, 5, 3, 0}};
    const LogitBatch batch = {.logits = logits.data(),
                              .raw = logits.data(),
                              .stride = kVocab,
                              .rows = 2,
                              .vocab = kVocab,
                              .slots = 2,
                              .keys = keys,
                              .tokens = tokens.data(),
                              .logprobs = nullptr,
                              .token_stride = kPositions,
                              .space = Space::test,
                              .device = 0,
                              .stream = nullptr};
    sampler->prepare(batch);
    sampler->sample(batch);
    if (plugin->selects && (tokens[12] < 0 || tokens[kPositions + 5] < 0)) fail(plugin->name, " chose nothing");
  }
}

}  // namespace
}  // namespace gpt2run::test

int main(int count, char** arguments) {
  using namespace gpt2run::test;
  const std::string_view what = count == 2 ? arguments[1] : "";
  if (what == "broken") {
    sum<false>();
  } else if (what == "between") {
    mirror<false>();
  } else if (what == "not_before") {
    last_block<Fence::not_before>();
  } else if (what == "not_behind") {
    last_block<Fence::not_behind>();
  } else if (what == "blocks") {
    unordered();
  } else if (what == "right") {
    sum<true>(), mirror<true>(), last_block<Fence::both>(), samplers();
    network<float>(2, 12, 80), network<gpt2run::f16>(1, 64, 80), network<gpt2run::bf16>(2, 12, 130);
  } else {
    std::cerr << "usage: races right|broken|between|not_before|not_behind|blocks\n";
    return 2;
  }
  std::cout << "ran " << what << "\n";
}
