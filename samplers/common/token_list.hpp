// Token ids in the text of an option: "50256 11", and with a number each "50256=-inf 11=2.5". Blanks or commas stand
// between them, and "none" is an empty list. Every function throws Error naming the option and what was found.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <vector>

#include "gpt2run/error.hpp"

namespace gpt2run {

// What is added to the logit of a token. -infinity drops the token.
struct TokenBias {
  int32_t id;
  float bias;
};

// Finite biases are narrow enough to keep a model's logits finite.
inline constexpr double kMostBias = 1e6;

namespace detail {

// Calls use(item) for every item of the list, which has at least one unless it is "none".
template <class Use>
void for_items(std::string_view text, const char* option, Use use) {
  if (text == "none") return;
  bool found = false;
  while (true) {
    const size_t begin = std::min(text.find_first_not_of(" ,\t"), text.size());
    text.remove_prefix(begin);
    if (text.empty()) break;
    const size_t end = std::min(text.find_first_of(" ,\t"), text.size());
    use(text.substr(0, end));
    text.remove_prefix(end);
    found = true;
  }
  if (!found) fail(option, ": expected token ids or none, found an empty text");
}

inline int32_t parse_id(std::string_view item, const char* option) {
  int32_t id = -1;
  const auto [end, code] = std::from_chars(item.data(), item.data() + item.size(), id);
  if (code != std::errc() || end != item.data() + item.size() || id < 0)
    fail(option, ": expected a token id, a whole number in [0, 2147483647], found '", item, "'");
  return id;
}

inline float parse_bias(std::string_view item, const char* option) {
  double bias = 0;
  const auto [end, code] = std::from_chars(item.data(), item.data() + item.size(), bias);
  const bool is_number = code == std::errc() && end == item.data() + item.size();
  if (!is_number || !((bias >= -kMostBias && bias <= kMostBias) || (std::isinf(bias) && bias < 0)))
    fail(option, ": expected a number in [-1000000, 1000000] or -inf, found '", item, "'");
  return static_cast<float>(bias);
}

}  // namespace detail

inline std::vector<int32_t> parse_ids(std::string_view text, const char* option) {
  std::vector<int32_t> ids;
  detail::for_items(text, option, [&](std::string_view item) { ids.push_back(detail::parse_id(item, option)); });
  return ids;
}

// The biases by ascending id. Also throws Error if an id occurs twice.
inline std::vector<TokenBias> parse_biases(std::string_view text, const char* option) {
  std::vector<TokenBias> biases;
  detail::for_items(text, option, [&](std::string_view item) {
    const size_t equal = item.find('=');
    if (equal == item.npos) fail(option, ": expected ID=BIAS, found '", item, "'");
    biases.push_back(
        {detail::parse_id(item.substr(0, equal), option), detail::parse_bias(item.substr(equal + 1), option)});
  });
  std::sort(biases.begin(), biases.end(), [](const TokenBias& a, const TokenBias& b) { return a.id < b.id; });
  for (size_t i = 1; i < biases.size(); ++i)
    if (biases[i].id == biases[i - 1].id) fail(option, ": expected an id once, found ", biases[i].id, " twice");
  return biases;
}

}  // namespace gpt2run
