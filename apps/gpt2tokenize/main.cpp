// gpt2tokenize: converts text to token ids and back. An error is one line on standard error, with exit code 2 for a
// wrong command line and 1 for anything else. On an error nothing is written to standard output.
#include <sstream>
#include <utility>

#include "common/config/config.hpp"
#include "common/config/text_file.hpp"
#include "common/program/program.hpp"
#include "common/prompts/prompts.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/files/paths.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/log.hpp"
#include "prompt_sets.hpp"

namespace {

using gpt2run::CoreOption;
using gpt2run::in_quotes;
using gpt2run::usage_error;
using gpt2run::UsageError;

// A parsed command line.
struct Request {
  std::string help;  // if not empty, it is printed and nothing else is done
  gpt2run::PackRequest pack;
  std::string command;
  std::vector<std::string> inputs;  // one text, or any number of ids; a lone "-" is standard input
};

constexpr CoreOption kOptions[] = {
    {{"tokenizer", "text", "", "",
      "folder with tokenizer.json, vocab.json and merges.txt, or vocab.txt; a GGUF file; llm.c's tokenizer file; else "
      "the "
      "demo model's"}},
    {{"no_special", "bool", "off", "", "special tokens such as <|endoftext|> are text like any other"}},
    {{"in", "text", "", "",
      "pack: prompts, as gpt2run --prompts reads them; unpack: a prompt set, or a pattern of several"}},
    {{"out", "text", "", "", "pack: the file to write"}},
    {{"t", "int", "0", "[0, 1048576]", "tokens of a row; unpack: 0 is as the header says"}},
    {{"truncate_prompt", "bool", "off", "", "pack: of a prompt that is too long keep the last T tokens"}},
    {{"help", "bool", "off", "", "print options"}, 'h'},
};

constexpr char kUsage[] =
    "usage: gpt2tokenize encode TEXT    print the ids of a text\n"
    "       gpt2tokenize decode ID...   write the bytes of ids, nothing added\n"
    "       gpt2tokenize pack --in FILE --t T --out FILE.bin    write a prompt set\n"
    "       gpt2tokenize unpack --in FILE.bin [--t T]           print the texts of a prompt set\n"
    "A lone - reads the text or the ids from standard input; -- ends the options.\n\n";

void check(const Request& request, bool has_t) {
  const std::string& command = request.command;
  if (command == "pack" || command == "unpack") {
    if (request.pack.in.empty()) usage_error(command, ": expected --in FILE");
    if (!request.inputs.empty()) usage_error(command, ": expected --in FILE, found ", in_quotes(request.inputs[0]));
    if (command == "unpack" && !request.pack.out.empty())
      usage_error("unpack: prints to standard output, --out is for pack");
    return;
  }
  if (command != "encode" && command != "decode")
    usage_error("command: expected encode, decode, pack or unpack, found ",
                command.empty() ? "nothing" : in_quotes(command));
  if (has_t || !request.pack.in.empty() || !request.pack.out.empty())
    usage_error(command, ": --in, --out and --t are for pack and unpack");
  if (request.inputs.empty()) usage_error(command, ": expected input, or - for standard input");
  if (command == "encode" && request.inputs.size() > 1)
    usage_error("encode: expected one text (in quotes), found ", request.inputs.size());
}

Request parse(std::vector<std::string> arguments) {
  Request request;
  request.inputs = gpt2run::take_positionals(kOptions, arguments);
  if (!request.inputs.empty()) {
    request.command = request.inputs.front();
    request.inputs.erase(request.inputs.begin());
  }
  gpt2run::Configuration configuration(kOptions, std::move(arguments));
  configuration.bind({}, {});  // refuses unknown options, since no plugins are used
  const gpt2run::OptionValues& values = configuration.values();
  request.pack.tokenizer = values.text("tokenizer");
  request.pack.in = values.text("in");
  request.pack.out = values.text("out");
  request.pack.t = static_cast<int32_t>(values.integer("t"));
  request.pack.special = !values.flag("no_special");
  request.pack.truncate = values.flag("truncate_prompt");
  if (values.flag("help")) request.help = kUsage + gpt2run::help_of(configuration.core());
  if (request.help.empty()) check(request, configuration.layer("t") != gpt2run::Layer::fallback);
  return request;
}

std::vector<int32_t> parse_ids(const std::string& text, bool typed, const gpt2run::Tokenizer& tokenizer) {
  try {
    return gpt2run::parse_tokens(text, "decode", tokenizer.size());
  } catch (const UsageError& error) {
    if (typed) throw;
    throw gpt2run::Error(error.what());  // ids from standard input are not part of the command line
  }
}

std::string answer(Request request) {
  if (request.pack.tokenizer.empty()) request.pack.tokenizer = gpt2run::demo_model().string();
  const auto tokenizer = gpt2run::Tokenizer::open(request.pack.tokenizer);
  for (const std::string& line : tokenizer->warnings()) gpt2run::log_warning(line);
  if (request.command == "pack") return gpt2run::pack(request.pack, *tokenizer), "";
  if (request.command == "unpack") return gpt2run::unpack(request.pack, *tokenizer);
  const bool typed = request.inputs.size() != 1 || request.inputs[0] != "-";
  const std::string name = request.command + ": standard input";
  std::string text =
      typed ? request.inputs[0] : gpt2run::as_utf8(gpt2run::read_standard_input(request.command + ": "), name);
  for (size_t i = 1; i < request.inputs.size(); ++i) text.append(" ").append(request.inputs[i]);
  if (request.command == "decode") return tokenizer->decode(parse_ids(text, typed, *tokenizer));
  std::ostringstream line;
  const char* separator = "";
  for (const int32_t id : tokenizer->encode(text, request.pack.special)) line << std::exchange(separator, " ") << id;
  line << "\n";
  return line.str();
}

}  // namespace

int main(int count, char** arguments) {
  return gpt2run::run_main("gpt2tokenize", count, arguments, [](const std::vector<std::string>& given) {
    const Request request = parse(given);
    gpt2run::print(request.help.empty() ? answer(request) : request.help);
    return 0;
  });
}
