// The options of gpt2serve.
#pragma once
#include <string>
#include <vector>

#include "common/config/config.hpp"
#include "gpt2serve/http_server.hpp"

namespace gpt2run {

// Those that gpt2run has too are declared by its declaration.
std::vector<CoreOption> serve_options();

struct ServeOptions {
  std::string host;  // an address, or a name of this machine
  uint16_t port;     // 0: a free one
  HttpOptions http;
  int32_t slots, context, threads, device;  // context: 0 is the model's
  int64_t queue;
  int32_t max_prompt;  // 0: the context
  int32_t drain;       // seconds
  bool floor, log_text;
  std::vector<std::string> keys, names, origins;
};

// Reads the file of keys. Throws UsageError for an origin that is none, and Error for a file that cannot be read.
ServeOptions serve_options_of(const Configuration& configuration);

}  // namespace gpt2run
