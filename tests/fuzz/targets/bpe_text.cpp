// A text becomes ids of the demo model and the same text again.
#include "fuzz/target.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kBpeText("bpe_text", [](std::string_view bytes) {
  static const auto tokenizer = Tokenizer::open(given_file("models/demo"));
  for (const bool special : {true, false}) {
    const std::vector<int32_t> ids = tokenizer->encode(bytes, special);
    require(tokenizer->decode(ids) == bytes, "a text comes back from its ids, byte for byte");
  }
});

}  // namespace
}  // namespace gpt2run::fuzz
