// Option names of other tools that people type from habit: those of transformers, llama.cpp, nanoGPT and OpenAI.
#pragma once
#include <string>
#include <string_view>

namespace gpt2run {

// The name of the plugin option that means the same, such as "temp" for "temperature", or the name itself.
// name: normalised, without dashes.
std::string_view plugin_option_of(std::string_view name);

// What stands for the option here, as the end of an error line: "; --prompts FILE reads prompts". "" if it is none of
// theirs.
std::string advice_for(std::string_view name);

// The same for what is written with one dash: a letter, or letters such as "ngl". "" if other tools have no such
// option.
std::string advice_for_letter(std::string_view letter);

}  // namespace gpt2run
