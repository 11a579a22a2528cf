// The loader `llmc`.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kLlmc("llmc", [](std::string_view bytes) {
  static Files files({"model.bin"});
  static const auto opened = loader("llmc");
  files.write("model.bin", bytes);
  open_model(*opened, files.path("model.bin"));
});

}  // namespace
}  // namespace gpt2run::fuzz
