// Writes the steps of a sequence as JSON and .npy.
#include "generation_file.hpp"

#include <bit>
#include <cmath>

#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

constexpr size_t kHeader = 128;  // bytes, enough for any shape

// The header of NumPy's format 1.0: magic, version, length of the rest, a Python dictionary padded with spaces, and a
// line end.
std::string npy_header(int64_t rows, int64_t cols) {
  const char* order = std::endian::native == std::endian::little ? "<" : ">";
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(kHeader - 10);
  header += '\0';
  header += "{'descr': '" + std::string(order) + "f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) +
            ", " + std::to_string(cols) + "), }";
  header.resize(kHeader - 1, ' ');
  return header + '\n';
}

}  // namespace

GenerationFile::GenerationFile(const std::string& stem, bool npy) : json_(stem + ".json") {
  json_.write("[");
  if (!npy) return;
  npy_.emplace(stem + ".npy");
  npy_->write(npy_header(0, 0));
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
    npy_->write({reinterpret_cast<const char*>(logits.data()), logits.size_bytes()});
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
  npy_->overwrite(0, npy_header(steps_, vocab_));
  npy_->close();
}

void GenerationFile::publish() {
  if (npy_) npy_->publish();
  json_.publish();
}

}  // namespace gpt2run
