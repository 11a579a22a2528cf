// gpt2tokenize: text to token ids and back. One line on stderr and exit code 2 for a wrong command line, 1 for anything
// else that goes wrong; nothing is printed unless all of it could be made.
#include <boost/program_options.hpp>
#include <sstream>
#include <utility>

#include "gpt2run/input_file.hpp"
#include "gpt2run/paths.hpp"
#include "gpt2run/quoted.hpp"
#include "host/program.hpp"
#include "host/prompts.hpp"
#include "prompt_sets.hpp"

namespace po = boost::program_options;

namespace {

using gpt2run::in_quotes;
using gpt2run::misused;
using gpt2run::UsageError;

struct Request {
  std::string help;  // not empty: print this and do nothing else
  gpt2run::PackRequest pack;
  std::string command;
  std::vector<std::string> inputs;  // one text or any number of ids; a lone "-" is standard input
};

std::string help_text(const po::options_description& options) {
  std::ostringstream text;
  text << "Usage: gpt2tokenize encode TEXT    print the ids of a text\n"
          "       gpt2tokenize decode ID...   write the bytes of ids, nothing added\n"
          "       gpt2tokenize pack --in FILE --t T --out FILE.bin    write a prompt set\n"
          "       gpt2tokenize unpack --in FILE.bin [--t T]           print the texts of a prompt set\n"
          "A lone - reads the text or the ids from standard input; -- ends the options.\n"
       << options;
  return text.str();
}

void check(const Request& request, bool has_t) {
  const std::string& command = request.command;
  if (command == "pack" || command == "unpack") {
    if (request.pack.in.empty()) misused(command, ": expected --in FILE");
    if (!request.inputs.empty()) misused(command, ": expected --in FILE, found ", in_quotes(request.inputs[0]));
    if (command == "unpack" && !request.pack.out.empty())
      misused("unpack: prints to standard output, --out is for pack");
    if (has_t && (request.pack.t < 1 || request.pack.t > 1048576))
      misused("--t: expected a whole number in [1, 1048576], found ", request.pack.t);
    return;
  }
  if (command != "encode" && command != "decode")
    misused("command: expected encode, decode, pack or unpack, found ",
            command.empty() ? "nothing" : in_quotes(command));
  if (has_t || !request.pack.in.empty() || !request.pack.out.empty())
    misused(command, ": --in, --out and --t are for pack and unpack");
  if (request.inputs.empty()) misused(command, ": expected input, or - for standard input");
  if (command == "encode" && request.inputs.size() > 1)
    misused("encode: expected one text (in quotes), found ", request.inputs.size());
}

Request parse(const std::vector<std::string>& arguments) {
  Request request;
  po::options_description visible("Options"), all;
  visible.add_options()("help,h", "print this text")("version", "print the version");
  visible.add_options()("tokenizer", po::value(&request.pack.tokenizer)->value_name("PATH"),
                        "folder with vocab.json and merges.txt, or llm.c's tokenizer file (default: the demo model)");
  visible.add_options()("no-special", "encode: special tokens such as <|endoftext|> are text like any other");
  visible.add_options()(
      "in", po::value(&request.pack.in)->value_name("FILE"),
      "pack: prompts, as gpt2run --prompts reads them; unpack: a prompt set, or a pattern of several");
  visible.add_options()("out", po::value(&request.pack.out)->value_name("FILE"), "pack: the file to write");
  visible.add_options()("t", po::value(&request.pack.t)->value_name("T"), "tokens of a row, 1 to 1048576");
  visible.add_options()("truncate-prompt", "pack: of a prompt that is too long keep the last T tokens");
  all.add(visible).add_options()("command", po::value(&request.command))("input", po::value(&request.inputs));
  po::positional_options_description positional;
  positional.add("command", 1).add("input", -1);
  po::variables_map values;
  try {
    using namespace po::command_line_style;
    const int style = unix_style & ~allow_guessing;
    po::store(po::command_line_parser(arguments).options(all).positional(positional).style(style).run(), values);
    po::notify(values);
  } catch (const po::error& error) {
    misused(gpt2run::printable(error.what(), 120));
  }
  request.pack.special = values.count("no-special") == 0;
  request.pack.truncate = values.count("truncate-prompt") != 0;
  if (values.count("help") != 0) request.help = help_text(visible);
  if (request.help.empty()) check(request, values.count("t") != 0);
  return request;
}

std::vector<int32_t> parse_ids(const std::string& text, bool typed, const gpt2run::Tokenizer& tokenizer) {
  try {
    return gpt2run::parse_tokens(text, "decode", tokenizer.size());
  } catch (const UsageError& error) {
    if (typed) throw;
    throw gpt2run::Error(error.what());  // what stands in a file is no wrong command line
  }
}

std::string answer(Request request) {
  if (request.pack.tokenizer.empty()) request.pack.tokenizer = gpt2run::demo_model().string();
  const auto tokenizer = gpt2run::Tokenizer::open(request.pack.tokenizer);
  if (request.command == "pack") return gpt2run::pack(request.pack, *tokenizer), "";
  if (request.command == "unpack") return gpt2run::unpack(request.pack, *tokenizer);
  const bool typed = request.inputs.size() != 1 || request.inputs[0] != "-";
  std::string text = typed ? request.inputs[0] : gpt2run::read_standard_input(request.command + ": ");
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
