// Writes the steps of a sequence as JSON and .npy.
#include "generation_file.hpp"

#include <array>
#include <cmath>

#include "../common/npy.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
GenerationFile::GenerationFile(const std::string& stem, bool npy) : json_(stem + ".json") {
  json_.write("[");
  if (!npy) return;
  npy_.emplace(stem + ".npy");
  npy_->write(npy_header(std::array<int64_t, 2>{}));
}

void GenerationFile::add(const TokenEvent& event) {
  if (steps_ > 0) json_.write(", \"text\": " + json_quoted(text_) + "},");
  open_step(event);
  add_logits(event);
  text_ = event.text;
  logprob_sum_ += event.logprob;
  vocab_ = event.vocab;
  ++steps_;
}

// Writes a step's object up to its text, which is added later because that of the last step is known only at the end.
void GenerationFile::open_step(const TokenEvent& event) {
  std::string line = "\n{\"step\": " + std::to_string(event.step);
  line += ", \"token\": " + std::to_string(event.id) + ", \"logprob\": ";
  append_number(line, event.logprob);
  json_.write(line);
}

void GenerationFile::add_logits(const TokenEvent& event) {
  const std::span<const float> logits(event.logits, static_cast<size_t>(event.vocab));
  if (npy_) {
    npy_->write(bytes_of(logits));
    return;
  }
  std::string line = ", \"logits\": [";
  line.reserve(logits.size() * 16);
  for (const float logit : logits) {
    append_number(line, logit);
    line += ',';
  }
  line.back() = ']';
  json_.write(line);
}

void GenerationFile::finish(std::string_view tail) {
  std::string line;
  if (steps_ > 0) {
    const double average = logprob_sum_ / static_cast<double>(steps_);
    line = ", \"text\": " + json_quoted(text_.append(tail));
    append_number(line += ", \"avg_logprob\": ", average);
    append_number(line += ", \"perplexity\": ", std::exp(-average));
    line += "}\n";
  }
  json_.write(line + "]\n");
  json_.close();
  if (!npy_) return;
  npy_->overwrite(0, npy_header(std::array{steps_, vocab_}));
  npy_->close();
}

void GenerationFile::add_to(std::vector<OutputFile*>& files) {
  if (npy_) files.push_back(&*npy_);
  files.push_back(&json_);
}

}  // namespace gpt2run
