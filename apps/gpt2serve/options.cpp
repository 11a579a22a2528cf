#include "gpt2serve/options.hpp"

#include <algorithm>

#include "common/pipeline/choice.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2serve/access.hpp"

namespace gpt2run {
namespace {

constexpr const char* kShared[] = {"model",   "loader", "precision", "batch",      "tokenizer",
                                   "threads", "device", "verify",    "plugin_dir", "quiet"};

// Where the server says something else than gpt2run.
constexpr char kSlots[] = "8";
constexpr std::pair<std::string_view, const char*> kHelp[] = {
    {"precision", "the precisions to serve, separated by commas; a request names one of them as its model"},
    {"batch", "requests at a time, for each precision"}};

constexpr CoreOption kOwn[] = {
    {{"host", "text", "127.0.0.1", "", "the address to listen on, or a name of this machine such as localhost"}},
    {{"port", "int", "8080", "[0, 65535]", "the port to listen on; 0 takes a free one"}},
    {{"context", "int", "0", "[0, 1048576]", "tokens of a slot, prompt and new ones; 0 is the model's context"}},
    {{"floor", "bool", "off", "",
      "also opens reference with the contract of each precision, so that /v1/compare tells the noise floor"}},
    {{"queue", "int", "256", "[1, 1000000]", "completions that may wait for a slot, for each precision"}},
    {{"max_body", "int", "1048576", "[1024, 268435456]", "bytes of a request's body"}},
    {{"max_prompt", "int", "0", "[0, 1048576]", "tokens of a prompt; 0 is the context"}},
    {{"connections", "int", "1024", "[1, 100000]", "connections at a time"}},
    {{"timeout", "int", "30", "[1, 86400]",
      "seconds that a client may take for each part of its request, and to read"}},
    {{"keep_alive", "int", "60", "[1, 86400]", "seconds that a connection may be idle between two requests"}},
    {{"drain", "int", "10", "[0, 86400]", "seconds that running requests get to end after SIGTERM"}},
    {{"api_key_file", "text", "", "", "file of keys, one a line; a request must bring one of them"}},
    {{"allow_host", "text", "", "", "a name by which clients reach the server"}, 0, true},
    {{"cors", "text", "", "", "an origin whose pages may send requests, such as https://example.org"}, 0, true},
    {{"log_text", "bool", "off", "", "also logs the texts of prompts and completions"}},
};

constexpr CoreOption kLast[] = {
    {{"config", "text", "", "", "options from an INI file"}, 'c'},
    {{"help", "bool", "off", "", "print options"}, 'h'},
};

// Throws UsageError unless the text is SCHEME://HOST or SCHEME://HOST:PORT.
void check_origin(const std::string& origin) {
  const size_t scheme = origin.find("://");
  const std::string_view rest = scheme == std::string::npos ? "" : std::string_view(origin).substr(scheme + 3);
  if (scheme == 0 || rest.empty() || rest.find_first_of("/?# *\r\n") != rest.npos)
    usage_error("--cors: expected an origin such as https://example.org, found ", in_quotes(origin));
}

// Throws UsageError unless the text may be a host in a request's field Host, without a port.
void check_name(const std::string& name) {
  constexpr std::string_view kNoPart = "/?#@:* \t\r\n";
  if (name.empty() || name.find_first_of(kNoPart) != name.npos)
    usage_error("--allow-host: expected a name such as example.org, without a port, found ", in_quotes(name));
}

}  // namespace

std::vector<CoreOption> serve_options() {
  std::vector<CoreOption> options;
  for (const std::string_view key : kShared)
    std::ranges::copy_if(pipeline_options(), std::back_inserter(options),
                         [&](const CoreOption& option) { return key == option.spec.key; });
  for (CoreOption& option : options) {
    for (const auto& [key, help] : kHelp)
      if (key == option.spec.key) option.spec.help = help;
    if (option.spec.key == std::string_view("batch")) option.spec.fallback = kSlots;
  }
  std::ranges::copy(kOwn, std::back_inserter(options));
  std::ranges::copy(kLast, std::back_inserter(options));
  return options;
}

ServeOptions serve_options_of(const Configuration& configuration) {
  const OptionValues& values = configuration.values();
  const auto small = [&](const char* key) { return static_cast<int32_t>(values.integer(key)); };
  const auto seconds = [&](const char* key) { return std::chrono::seconds(values.integer(key)); };
  ServeOptions options;
  options.host = values.text("host"), options.port = static_cast<uint16_t>(values.integer("port"));
  options.http = {static_cast<size_t>(values.integer("connections")), static_cast<size_t>(values.integer("max_body")),
                  seconds("timeout"), seconds("keep_alive")};
  options.slots = small("batch"), options.context = small("context");
  options.threads = small("threads"), options.device = small("device");
  options.queue = values.integer("queue"), options.max_prompt = small("max_prompt"), options.drain = small("drain");
  options.floor = values.flag("floor"), options.log_text = values.flag("log_text");
  options.names = configuration.list("allow_host"), options.origins = configuration.list("cors");
  for (const std::string& name : options.names) check_name(name);
  for (const std::string& origin : options.origins) check_origin(origin);
  if (configuration.layer("api_key_file") != Layer::fallback && values.text("api_key_file").empty())
    usage_error("--api-key-file: expected a file of keys, found an empty name");
  if (const std::string file(values.text("api_key_file")); !file.empty()) options.keys = read_keys(file);
  return options;
}

}  // namespace gpt2run
