// Pages of a mapped file that a precision has converted are given back: loading a model takes the memory of its weights
// and not that of its file as well.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "loaders/same_model.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

// A value of /proc/self/status in bytes: VmHWM, the most memory so far, or VmRSS.
int64_t status_of(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return std::stoll(line.substr(key.size() + 1)) << 10;
  return 0;
}

TEST(Release, TensorsStayReadable) {
  const ScratchFolder folder;
  const std::string small = "synthetic:L=2,C=24,H=3,V=131,T=9";
  const auto expected = open_with("synthetic", small);
  for (const auto& [layout, loader, file] :
       {std::tuple("huggingface", "huggingface", "hf"), {"llmc", "llmc", "m.bin"}, {"gguf", "gguf", "m.gguf"}}) {
    const std::string path = (folder.path() / file).string();
    convert(small + " --to " + layout + " -o " + path);
    const auto model = open_with(loader, path);
    for_each_weight(model->config(), [&](Weight weight, int layer) { model->release(weight, layer); });
    for_each_weight(model->config(), [&, layout = layout](Weight weight, int layer) {
      const Tensor a = model->tensor(weight, layer), b = expected->tensor(weight, layer);
      for (int64_t r = 0; r < b.rows; ++r)
        for (int64_t c = 0; c < b.cols; ++c) ASSERT_EQ(at(a, r, c), at(b, r, c)) << layout << name_of(weight);
    });
    EXPECT_THROW(model->tensor(Weight::ln1_w, 7), Error);
  }
}

TEST(Release, AModelIsNotInMemoryTwice) {
  const ScratchFolder folder;
  const std::string path = folder.path().string() + "/m";
  convert("synthetic:L=6,C=512,H=8,V=30000,T=64 --type fp32 -o " + path);
  const auto model = open_huggingface(path);
  const auto precision = make_plugin<Precision>(Kind::precision, "cpu-fp32");
  const int64_t weights = step_elements(model->config()) * 4;
  std::ofstream("/proc/self/clear_refs") << "5";  // begins VmHWM anew
  const int64_t before = status_of("VmRSS:");
  const auto session = precision->open(
      *model, {.slots = 1, .context = 5, .rows = 5, .logit_rows = 1, .threads = 2, .device = 0, .keep_raw = false});
  const int64_t most = status_of("VmHWM:") - before;
  EXPECT_GE(most, weights);
  EXPECT_LE(most, weights + (40 << 20)) << "of " << weights;
}

}  // namespace
}  // namespace gpt2run::test
