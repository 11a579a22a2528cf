// The lines of gpt2run and gpt2compare that give the same results as a request.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "common/config/config.hpp"
#include "gpt2serve/completion_request.hpp"

namespace gpt2run {

// An argument as a POSIX shell takes it: in single quotes where it needs them.
std::string shell_quoted(std::string_view argument);

class CommandLines {
 public:
  // Keeps the options of the server that such a line needs. model: the path of the model, used where the server did not
  // take the demo model.
  CommandLines(const Configuration& configuration, const std::string& model);

  // Of a completion, as docs/server.md says; empty for one without new tokens.
  std::string of(const CompletionRequest& request) const;

  // Of the distribution after a prompt: the completion of one token, with the `top` most likely ones.
  std::string of_distribution(const CompletionRequest& request, int32_t top) const;

  // Of a comparison. text: what was compared, or empty where it was given as tokens.
  std::string of_comparison(const ModelEngine& reference, const std::vector<ModelEngine*>& tests,
                            const std::string& text, std::span<const int32_t> tokens) const;

  // The errors of operations on the first rows, as JSON.
  std::string of_layers(const ModelEngine& reference, const std::vector<ModelEngine*>& tests, const std::string& text,
                        std::span<const int32_t> tokens, int64_t rows) const;

 private:
  std::vector<std::string> shared_;
};

}  // namespace gpt2run
