// Checks of prompts for a prompt set, and the two conversions.
#include "prompt_sets.hpp"

#include <algorithm>

#include "common/pipeline/run_files.hpp"
#include "common/program/temporaries.hpp"
#include "common/prompts/prompt_set.hpp"
#include "common/prompts/prompts.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/output_file.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

int32_t padding_of(const Tokenizer& tokenizer) {
  if (tokenizer.end_of_text() < 0) fail("the tokenizer has no end-of-text token, which fills the rows of a prompt set");
  return tokenizer.end_of_text();
}

std::vector<WrittenPrompt> read_all(const PackRequest& request, const PromptRows& rows, bool sets_only) {
  std::vector<WrittenPrompt> prompts;
  for (const std::string& name : prompt_files(request.in, "--in")) {
    PromptFile file = read_prompt_file(name, rows, "--in");
    if (sets_only && !file.is_set) fail(name, ": expected a prompt set, found another kind of file");
    for (const std::string& warning : file.warnings) log_warning(warning);
    std::ranges::move(file.prompts, std::back_inserter(prompts));
  }
  return prompts;
}

// Throws Error for an id that the tokenizer or the 16 bits of a prompt set do not have.
void check_id(const WrittenPrompt& prompt, int32_t id, const Tokenizer& tokenizer) {
  const int32_t last = std::min<int32_t>(tokenizer.size() - 1, UINT16_MAX);
  if (id < 0 || id > last) fail(prompt.origin, ": token id ", id, ": expected 0 to ", last);
}

std::vector<int32_t> row_of(const WrittenPrompt& prompt, const PackRequest& request, const Tokenizer& tokenizer) {
  std::vector<int32_t> tokens = prompt.tokens.empty() ? encode(tokenizer, prompt, request.special) : prompt.tokens;
  for (const int32_t id : tokens) {
    if (id == padding_of(tokenizer))
      fail(prompt.origin, ": expected no end-of-text token, which fills the rows of a prompt set, found one");
    check_id(prompt, id, tokenizer);
  }
  if (std::ssize(tokens) <= request.t) return tokens;
  if (!request.truncate)
    fail(prompt.origin, ": expected at most ", request.t, " tokens, found ", tokens.size(),
         "; --truncate-prompt keeps the last ones");
  log_warning(prompt.origin + ": " + std::to_string(tokens.size()) + " tokens are cut to the last " +
              std::to_string(request.t));
  tokens.erase(tokens.begin(), tokens.end() - request.t);
  return tokens;
}

void check_out(const PackRequest& request) {
  if (request.out.empty() || request.out == "-") usage_error("pack: expected --out FILE");
  std::vector<NamedPath> inputs = {{"--tokenizer", request.tokenizer}};
  for (const std::string& name : prompt_files(request.in, "--in"))
    inputs.push_back({"--in", name == "-" ? "/dev/stdin" : name});
  check_not_read({"--out", request.out}, inputs);
}

}  // namespace

void pack(const PackRequest& request, const Tokenizer& tokenizer) {
  if (request.t < 1) usage_error("pack: expected --t, the tokens of a row");
  check_out(request);
  std::vector<std::vector<int32_t>> rows;
  bool has_ids = false;
  for (const WrittenPrompt& prompt : read_all(request, {0, padding_of(tokenizer)}, false)) {
    rows.push_back(row_of(prompt, request, tokenizer));
    has_ids |= !prompt.id.empty();
  }
  if (std::ssize(rows) > INT32_MAX / request.t)
    fail(request.out, ": expected at most ", INT32_MAX / request.t, " rows of ", request.t, " tokens, found ",
         rows.size());
  if (has_ids) log_warning("a prompt set holds no ids: those of the prompts are left out");
  OutputFile file(request.out);
  note_output_folder(OutputFile::target_of(request.out).parent_path());
  file.write(prompt_set_bytes(rows, request.t, padding_of(tokenizer)));
  file.publish();
}

std::string unpack(const PackRequest& request, const Tokenizer& tokenizer) {
  std::string lines;
  for (const WrittenPrompt& prompt : read_all(request, {request.t, padding_of(tokenizer)}, true)) {
    for (const int32_t id : prompt.tokens) check_id(prompt, id, tokenizer);
    const std::string text = tokenizer.decode(prompt.tokens);
    if (text.find('\n') != text.npos) fail(prompt.origin, ": expected a text of one line, found ", in_quotes(text));
    lines += text + "\n";
  }
  return lines;
}

}  // namespace gpt2run
