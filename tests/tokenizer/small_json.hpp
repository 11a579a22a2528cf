// A small tokenizer.json for tests to change.
#pragma once
#include <nlohmann/json.hpp>

namespace gpt2run::test {

// Tokens a 0, b 1, ab 2, Ġ 3, Ġa 4, and <|endoftext|> 5, which is an added token.
inline nlohmann::json small_json() {
  return nlohmann::json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 5, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
              "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
              "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120a": 4, "<|endoftext|>": 5},
              "merges": [["a", "b"], "\u0120 a"]}})");
}

// A WordPiece one with the tokens of kSmallVocab.
inline constexpr char kSmallVocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\u4f60\n\u597d\nthe\n##re\n.\ncafe\n";

}  // namespace gpt2run::test
