// Cuts texts into windows.
#include "common/evaluation/texts.hpp"

#include <algorithm>

#include "common/prompts/prompts.hpp"

namespace gpt2run {

std::vector<Window> windows_of(std::span<const Prompt> texts, int32_t context, int64_t limit) {
  std::vector<Window> windows;
  for (size_t t = 0; t < texts.size(); ++t) {
    const std::vector<int32_t>& tokens = texts[t].tokens;
    for (size_t begin = 0; begin + 1 < tokens.size(); begin += context) {
      const size_t end = std::min(tokens.size(), begin + context + 1);
      windows.push_back({static_cast<int32_t>(t), static_cast<int32_t>(begin),
                         std::vector<int32_t>(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                                              tokens.begin() + static_cast<std::ptrdiff_t>(end))});
    }
  }
  return limit > 0 ? first_targets(windows, limit) : windows;
}

int64_t targets_of(std::span<const Window> windows) {
  int64_t count = 0;
  for (const Window& window : windows) count += std::ssize(window.tokens) - 1;
  return count;
}

std::vector<Window> first_targets(std::span<const Window> windows, int64_t count) {
  std::vector<Window> first;
  for (const Window& window : windows) {
    if (count <= 0) break;
    first.push_back(window);
    const int64_t kept = std::min<int64_t>(count, std::ssize(window.tokens) - 1);
    first.back().tokens.resize(static_cast<size_t>(kept) + 1);
    count -= kept;
  }
  return first;
}

std::string text_around(std::span<const Prompt> texts, const TargetPosition& place, const Tokenizer* tokenizer) {
  constexpr int32_t kBefore = 8;
  const std::vector<int32_t>& tokens = texts[place.text].tokens;
  return text_of({tokens.begin() + std::max(0, place.position - kBefore), tokens.begin() + place.position + 1},
                 tokenizer);
}

std::string token_text(int32_t id, const Tokenizer* tokenizer) {
  const std::string text = text_of({id}, tokenizer);
  return text.empty() ? std::string(1, '#').append(std::to_string(id)) : text;
}

}  // namespace gpt2run
