// Letters: a tokenizer of forty tokens for scripted networks.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run::test {

// Most ids are one letter. A few are parts of a UTF-8 character or of stop strings.
struct Letters final : Tokenizer {
  std::vector<int32_t> encode(std::string_view, bool) const override { return {}; }
  std::string_view piece(int32_t id) const override { return pieces.at(id); }
  int32_t size() const override { return static_cast<int32_t>(pieces.size()); }
  int32_t end_of_text() const override { return 39; }
  std::vector<std::string> pieces = [] {
    std::vector<std::string> all;
    for (int id = 0; id < 40; ++id) all.emplace_back(1, static_cast<char>('A' + id));
    all[30] = "\xe2", all[31] = "\x82\xac", all[32] = "ST", all[33] = "OP", all[34] = "ST", all[35] = "ART",
    all[39] = "<|endoftext|>";
    return all;
  }();
};

}  // namespace gpt2run::test
