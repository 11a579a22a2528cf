// The loader `torch`: archives, and the older series of pickles.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kTorch("torch", [](std::string_view bytes) {
  static Files files({"model.pt"});
  static const auto opened = loader("torch");
  files.write("model.pt", bytes);
  open_model(*opened, files.path("model.pt"));
});

}  // namespace
}  // namespace gpt2run::fuzz
