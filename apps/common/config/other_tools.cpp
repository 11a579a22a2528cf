#include "common/config/other_tools.hpp"

#include <algorithm>
#include <span>

namespace gpt2run {
namespace {

struct Pair {
  std::string_view theirs, ours;
};

// Options with the same meaning and range.
constexpr Pair kSame[] = {
    {"temperature", "temp"},
    {"repeat_penalty", "repetition_penalty.penalty"},
    {"repetition_penalty", "repetition_penalty.penalty"},
    {"repeat_last_n", "repetition_penalty.last_n"},
    {"frequency_penalty", "frequency_penalty.penalty"},
    {"presence_penalty", "presence_penalty.penalty"},
    {"no_repeat_ngram_size", "no_repeat_ngram.ngram"},
    {"typical_p", "typical.typical_p"},
    {"typical", "typical.typical_p"},
    {"logit_bias", "logit_bias.bias"},
    {"min_new_tokens", "min_tokens.min_tokens"},
};

// Options that mean something else here, or nothing.
constexpr Pair kAdvice[] = {
    {"file", "--prompts FILE reads a prompt from each line; --text FILE is one text, where a program takes texts"},
    {"batch_size", "--batch N is the number of sequences at a time"},
    {"ctx_size", "the context is the model's; --context-shift goes on beyond it"},
    {"ctx", "the context is the model's; --max-length N makes shorter windows, where a program has them"},
    {"window", "--max-length N is the number of tokens of a window, where a program has windows"},
    {"seq_len", "--max-length N is the number of tokens of a window, where a program has windows"},
    {"block_size", "--max-length N is the number of tokens of a window, where a program has windows"},
    {"ppl_stride", "--stride N is the number of tokens from a window to the next, where a program has windows"},
    {"perplexity", "gpt2perplexity measures it"},
    {"input", "--prompts FILE reads a prompt from each line; --text FILE is one text, where a program takes texts"},
    {"dataset", "--text FILE is one text, where a program takes texts"},
    {"n_ctx", "the context is the model's; --context-shift goes on beyond it"},
    {"do_sample", "--sampler argmax always takes the most likely token, --sampler nucleus draws one"},
    {"greedy", "--sampler argmax always takes the most likely token"},
    {"beam", "there is no beam search; --samples N makes several sequences"},
    {"beams", "there is no beam search; --samples N makes several sequences"},
    {"beam_size", "there is no beam search; --samples N makes several sequences"},
    {"stop_sequence", "--stop TEXT ends a sequence, and may be given several times"},
    {"stop_sequences", "--stop TEXT ends a sequence, and may be given several times"},
    {"stop_strings", "--stop TEXT ends a sequence, and may be given several times"},
    {"reverse_prompt", "--stop TEXT ends a sequence, and may be given several times"},
    {"bad_words", "--sampler logit-bias,nucleus --logit-bias 'ID=-inf' bans a token"},
    {"bad_words_ids", "--sampler logit-bias,nucleus --logit-bias 'ID=-inf' bans a token"},
    {"suppress_tokens", "--sampler logit-bias,nucleus --logit-bias 'ID=-inf' bans a token"},
    {"keep", "--context-shift N goes on with the last N tokens when the context is full"},
    {"n_keep", "--context-shift N goes on with the last N tokens when the context is full"},
    {"use_cache", "--recompute computes all tokens again for every new one"},
    {"no_cache", "--recompute computes all tokens again for every new one"},
    {"prompt_file", "--prompts FILE reads a prompt from each line, --prompt - one from standard input"},
    {"model", "--tokenizer PATH names the tokenizer, where a program needs no model"},
    {"display_prompt", "--echo off leaves the prompt out"},
    {"no_display_prompt", "--echo off leaves the prompt out"},
    {"no_echo", "--echo off leaves the prompt out"},
    {"eos_token_id", "the ends of a text are the model's; --stop TEXT adds one"},
    {"fp16", "--precision names the type: fp32, bf16, fp16"},
    {"bf16", "--precision names the type: fp32, bf16, fp16"},
    {"json", "--sink jsonl writes JSON"},
    {"logprobs", "--sink jsonl writes log-probabilities, --top N the most likely tokens"},
    {"list", "gpt2plugins lists the plugins"},
    {"list_plugins", "gpt2plugins lists the plugins"},
    {"output", "--out FILE names the file of results, or --json FILE where a program has that"},
    {"outfile", "--out PATH names what is written"},
    {"output_dir", "--out PATH names what is written"},
    {"outtype", "--type names the number type, where a program has it: fp32, bf16, fp16, q8_0"},
    {"quantize", "gpt2convert --to gguf --type q8_0 writes weights of 8 bits"},
    {"verbose", "all messages are shown unless --quiet is given"},
    {"stream", "text is written token by token as it is"},
    {"num_beams", "there is no beam search; --samples N makes several sequences"},
    {"n_gpu_layers", "--precision names where the model runs: cuda-fp16, cpu-fp32"},
    {"dtype", "--precision names the type: fp32, bf16, fp16"},
    {"torch_dtype", "--precision names the type: fp32, bf16, fp16"},
    {"init_from", "--model names the model"},
    {"out_dir", "--out names the file of results, --model the model"},
    {"model_name_or_path", "--model names the model"},
    {"length", "-n N is the number of new tokens, --n_gen N counts the prompt too"},
    {"min_length", "--sampler min-tokens,nucleus keeps the text from ending early"},
    {"escape", "--stop takes escapes such as \\n, --prompt takes its text as it is"},
    {"interactive", "there is no chat; --prompt TEXT or --prompt - gives a prompt"},
    {"chat", "there is no chat; --prompt TEXT or --prompt - gives a prompt"},
    {"conversation", "there is no chat; --prompt TEXT or --prompt - gives a prompt"},
    {"mirostat", "--sampler mirostat is its version 2"},
    {"mirostat_lr", "--mirostat.eta with --sampler mirostat"},
    {"mirostat_ent", "--mirostat.tau with --sampler mirostat"},
};

// Letters of other tools, which mean nothing here, with the names of their options.
constexpr Pair kLetters[] = {
    {"f", "file"},   {"o", "output"},         {"b", "batch_size"}, {"c", "ctx_size"},       {"l", "length"},
    {"e", "escape"}, {"ngl", "n_gpu_layers"}, {"s", "seed"},       {"v", "verbose"},        {"i", "interactive"},
    {"k", "top_k"},  {"d", "dtype"},          {"m", "model"},      {"r", "reverse_prompt"},
};

std::string_view find(std::span<const Pair> pairs, std::string_view name) {
  const auto found = std::ranges::find(pairs, name, &Pair::theirs);
  return found == pairs.end() ? std::string_view() : found->ours;
}

}  // namespace

std::string_view plugin_option_of(std::string_view name) {
  const std::string_view ours = find(kSame, name);
  return ours.empty() ? name : ours;
}

std::string advice_for(std::string_view name) {
  const std::string_view ours = find(kAdvice, name);
  return ours.empty() ? "" : "; " + std::string(ours);
}

std::string advice_for_letter(std::string_view letter) {
  const std::string_view name = find(kLetters, letter);
  if (name.empty()) return "";
  const std::string advice = advice_for(name);
  if (!advice.empty()) return advice;
  std::string dashed(name);
  std::ranges::replace(dashed, '_', '-');
  return "; it is --" + dashed + " here, where a program has it";
}

}  // namespace gpt2run
