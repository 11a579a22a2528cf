// gpt2tokenize: text to token ids and back. One line on stderr and exit code 2 for a wrong command line, 1 for anything
// else that goes wrong; nothing is printed unless all of it could be made.
#include <boost/program_options.hpp>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>
#include <utility>

#include "gpt2run/error.hpp"
#include "gpt2run/paths.hpp"
#include "gpt2run/standard_files.hpp"
#include "gpt2run/tokenizer.hpp"

namespace po = boost::program_options;

namespace {

struct UsageError : std::runtime_error {
  using runtime_error::runtime_error;
};

struct Request {
  std::string help;  // not empty: print this and do nothing else
  bool special = true;
  std::string command;
  std::string tokenizer;            // empty: the demo model
  std::vector<std::string> inputs;  // one text or any number of ids; a lone "-" is standard input
};

std::string help_text(const po::options_description& options) {
  std::ostringstream text;
  text << "Usage: gpt2tokenize encode TEXT    print the ids of a text\n"
          "       gpt2tokenize decode ID...   write the bytes of ids, nothing added\n"
          "A lone - reads the text or the ids from standard input; -- ends the options.\n"
       << options;
  return text.str();
}

Request parse(int argc, char** argv) {
  Request request;
  po::options_description visible("Options"), all;
  visible.add_options()("help,h", "print this text");
  visible.add_options()("tokenizer", po::value(&request.tokenizer)->value_name("PATH"),
                        "folder with vocab.json and merges.txt, or llm.c's tokenizer file (default: the demo model)");
  visible.add_options()("no-special", "encode: special tokens such as <|endoftext|> are text like any other");
  all.add(visible).add_options()("command", po::value(&request.command))("input", po::value(&request.inputs));
  po::positional_options_description positional;
  positional.add("command", 1).add("input", -1);
  po::variables_map values;
  try {
    using namespace po::command_line_style;
    const int style = unix_style & ~allow_guessing;
    po::store(po::command_line_parser(argc, argv).options(all).positional(positional).style(style).run(), values);
    po::notify(values);
  } catch (const po::error& error) {
    throw UsageError(error.what());
  }
  request.special = values.count("no-special") == 0;
  if (values.count("help") != 0) {
    request.help = help_text(visible);
    return request;
  }
  if (request.command != "encode" && request.command != "decode") {
    throw UsageError("command: expected encode or decode, found " +
                     (request.command.empty() ? "nothing" : request.command));
  }
  if (request.inputs.empty()) throw UsageError(request.command + ": expected input, or - for standard input");
  if (request.command == "encode" && request.inputs.size() > 1) {
    throw UsageError("encode: expected one text (in quotes), found " + std::to_string(request.inputs.size()));
  }
  return request;
}

std::string read_standard_input() {
  std::string bytes;
  char block[65536];
  while (const size_t count = std::fread(block, 1, sizeof block, stdin)) bytes.append(block, count);
  if (std::ferror(stdin)) gpt2run::fail("standard input: expected bytes, found: ", std::strerror(errno));
  return bytes;
}

// Input as one text: arguments are joined by blanks, which only ids have between them.
std::string input_text(const Request& request) {
  if (request.inputs.size() == 1 && request.inputs[0] == "-") return read_standard_input();
  std::string text = request.inputs[0];
  for (size_t i = 1; i < request.inputs.size(); ++i) text.append(" ").append(request.inputs[i]);
  return text;
}

std::vector<int32_t> parse_ids(const std::string& text) {
  std::vector<int32_t> ids;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    int32_t id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size()) {
      gpt2run::fail("decode: expected token ids, found ", word);
    }
    ids.push_back(id);
  }
  return ids;
}

std::string answer(const Request& request) {
  const auto tokenizer =
      gpt2run::Tokenizer::open(request.tokenizer.empty() ? gpt2run::demo_model().string() : request.tokenizer);
  const std::string text = input_text(request);
  if (request.command == "decode") return tokenizer->decode(parse_ids(text));
  std::ostringstream line;
  const char* separator = "";
  for (const int32_t id : tokenizer->encode(text, request.special)) line << std::exchange(separator, " ") << id;
  line << "\n";
  return line.str();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error to report, like a full disk
  std::signal(SIGXFSZ, SIG_IGN);  // so is a file that may not grow
  if (!gpt2run::occupy_standard_files()) return 1;
  try {
    const Request request = parse(argc, argv);
    std::cout << (request.help.empty() ? answer(request) : request.help);
    if (!std::cout.flush()) gpt2run::fail("standard output: cannot write: ", std::strerror(errno));
    return 0;
  } catch (const UsageError& error) {
    std::cerr << "gpt2tokenize: " << error.what() << " (--help shows the usage)\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "gpt2tokenize: " << error.what() << "\n";
    return 1;
  }
}
