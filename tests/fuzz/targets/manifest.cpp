// The manifest of a run: what is read is written, and read again as the same.
#include "common/config/manifest.hpp"

#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kManifest("manifest", [](std::string_view bytes) {
  const Manifest found = Manifest::from_json("run.json", std::string(bytes));
  const std::string text = found.to_json();
  const Manifest again = Manifest::from_json("again.json", text);
  require(again.plugins.size() == found.plugins.size() && again.prompts.size() == found.prompts.size(),
          "a manifest that is written again has the same plugins and prompts");
});

}  // namespace
}  // namespace gpt2run::fuzz
