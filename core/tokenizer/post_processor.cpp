#include "post_processor.hpp"

#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {
namespace {

// The tokens of a template before its sequence A, which is the text.
std::vector<int32_t> before_sequence(const json::Value& processor, int32_t size) {
  std::vector<int32_t> ids;
  const json::Value names = processor.at("special_tokens");
  for (const json::Value& part : processor.at("single").list()) {
    if (part.find("Sequence")) return ids;
    const std::string name = part.at("SpecialToken").at("id").text();
    const json::Value token = names.at(name);
    for (const json::Value& id : token.at("ids").list()) ids.push_back(static_cast<int32_t>(id.integer(0, size - 1)));
  }
  processor.at("single").refuse("a sequence among the tokens");
}

std::vector<int32_t> ids_of(const std::string& where, const json::Value& processor, int32_t size) {
  const std::string kind = processor.at("type").text();
  if (kind == "ByteLevel") return {};
  if (kind == "TemplateProcessing") return before_sequence(processor, size);
  if (kind == "RobertaProcessing" || kind == "BertProcessing") {
    const auto token = processor.at("cls").list();  // its text and its id
    if (token.size() != 2) processor.at("cls").refuse("a token and its id");
    return {static_cast<int32_t>((*++token.begin()).integer(0, size - 1))};
  }
  throw UnreadTokenizer(where + ": post_processor: expected TemplateProcessing or ByteLevel, found " + in_quotes(kind));
}

}  // namespace

std::vector<int32_t> tokens_before_text(const std::string& where, const json::Value& processor, int32_t size) {
  if (processor.is_null()) return {};
  if (processor.at("type").text() != "Sequence") return ids_of(where, processor, size);
  std::vector<int32_t> ids;  // each part works on what the one before it made
  for (const json::Value& part : processor.at("processors").list()) {
    const std::vector<int32_t> more = ids_of(where, part, size);
    ids.insert(ids.begin(), more.begin(), more.end());
  }
  return ids;
}

}  // namespace gpt2run
