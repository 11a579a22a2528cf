// Saved logits that gpt2compare reads: the JSON of a sequence, and the array beside it.
#include "fuzz/target.hpp"
#include "gpt2compare/folders.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kSavedLogits("saved_logits", [](std::string_view bytes) {
  static Files files({"generation_fp32_0.json", "generation_fp32_0.npy"});
  const std::vector<std::string> parts = parts_of(bytes, 2);
  files.write("generation_fp32_0.json", parts[0]);
  files.write("generation_fp32_0.npy", parts[1]);
  FolderComparison comparison({"--ref_folder", files.path(), ""}, {"--test_folder", files.path(), ""});
  comparison.run(10, [](int64_t, int64_t) {});
  require(comparison.comparison().targets > 0, "a comparison without an error has targets");
  comparison.summary();
});

}  // namespace
}  // namespace gpt2run::fuzz
