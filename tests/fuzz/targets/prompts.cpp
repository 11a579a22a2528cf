// Files of prompts. The first byte of the input chooses the name, and by that the format.
#include "common/prompts/prompt_file.hpp"
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kPrompts("prompts", [](std::string_view bytes) {
  static const std::vector<std::string> names = {"prompts.txt", "prompts.jsonl", "prompts.bin"};
  static Files files(names);
  if (bytes.empty()) return;
  const std::string& name = names[static_cast<unsigned char>(bytes[0]) % names.size()];
  files.write(name, bytes.substr(1));
  const PromptFile found = read_prompt_file(files.path(name), {0, 50256});
  for (const WrittenPrompt& prompt : found.prompts)
    require(prompt.text.empty() != prompt.tokens.empty(), "a prompt is either a text or ids");
});

}  // namespace
}  // namespace gpt2run::fuzz
