// Patches as a user writes them: terms that are separated by commas, such as op=down_add,layer=5,positions=3-7,zero.
//
//   op=NAME           one of the seven operations (sdk/network.hpp)
//   layer=5           a number, a range 0-3, several joined by +, or all, which is the default
//   positions=3-7     the same in the text, from 0; 3- goes on into the generated tokens, last is the prompt's last
//                     position, all its whole length, which is the default
//   heads=0-3         of attention and norm_qkv
// and one that says where the values come from (engine/patch.hpp):
//   from=TEXT, from_tokens=IDS, zero, mean, scale=X, noise=SEED; size=X beside noise, in standard deviations
//
// A value that contains a comma is a JSON string, as in the options of plugins.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.hpp"
#include "gpt2run/engine/patch.hpp"
#include "gpt2run/engine/prompt.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

// What texts are read with.
struct PatchTexts {
  const Tokenizer* tokenizer;  // null if the model has none
  bool special;                // special tokens in a text are found
};

// Parses one patch and checks it against the model. origin: how messages name it, such as "--patch". Throws UsageError
// saying what was expected and found.
Patch parse_patch(std::string_view text, const std::string& origin, const PatchTexts& texts, const ModelConfig& model);

// The same where op may be several names joined by +: one patch for each, in the order of the names.
std::vector<Patch> parse_patches(std::string_view text, const std::string& origin, const PatchTexts& texts,
                                 const ModelConfig& model);

// The text of a patch as a manifest keeps it, which can only hold UTF-8: where it is other bytes, its donor is named by
// the tokens that they are.
std::string recorded_patch(const std::string& text, const Patch& patch);

// How messages name one of `count` patches of the same origin: --patch, or --patch (number 2 of 3).
std::string patch_origin(const std::string& origin, size_t index, size_t count);

// Checks a patch against prompts: its donor is long enough for each of them, and one of them reaches a position of it.
// longest: tokens that the longest sequence will have. Throws UsageError naming `origin`.
void check_patch_on_prompts(const Patch& patch, std::span<const Prompt> prompts, int64_t longest,
                            const std::string& origin);

// The patches of the option --patch, in order, parsed and checked against the prompts as above.
std::vector<Patch> patches_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model,
                              std::span<const Prompt> prompts, int64_t longest);

}  // namespace gpt2run
