#include "attention_files.hpp"

#include <array>

#include "../common/npy.hpp"
#include "../common/token_text.hpp"

namespace gpt2run {
namespace {

void write_array(OutputFile& file, const LayerWeights& weights, int heads) {
  const std::vector<float> zeros(weights.size());
  const auto tokens = std::ssize(weights);
  file.write(npy_header(std::array<int64_t, 3>{heads, tokens, tokens}));
  for (int head = 0; head < heads; ++head) {
    for (size_t i = 0; i < weights.size(); ++i) {
      file.write(bytes_of(std::span(weights[i]).subspan(static_cast<size_t>(head) * (i + 1), i + 1)));
      file.write(bytes_of(std::span(zeros).subspan(i + 1)));
    }
  }
  file.close();
}

}  // namespace

void AttentionFiles::add(uint64_t sequence, const AttentionRecord& record, int heads, bool arrays) {
  std::string line = "{\"sequence\": " + std::to_string(sequence);
  if (!record.name.empty()) append_key(line, "id"), line += record.name;
  line += ", \"heads\": " + std::to_string(heads) + ", \"tokens\": [";
  for (const int32_t id : record.ids) line.append(line.back() == '[' ? "" : ", ").append(std::to_string(id));
  line += "], \"texts\": [";
  for (const std::string& text : record.texts) line.append(line.back() == '[' ? "" : ", ").append(json_quoted(text));
  line += "], \"files\": [";
  for (const auto& [layer, weights] : record.layers) {
    if (!arrays) break;
    const std::string name = "attention_" + std::to_string(sequence) + "_h" + std::to_string(layer) + ".npy";
    arrays_.emplace_back(folder_ + "/" + name);
    write_array(arrays_.back(), weights, heads);
    if (line.back() == '}') line += ", ";
    line += "{\"layer\": " + std::to_string(layer) + ", \"file\": " + json_quoted(name) + ", \"shape\": [";
    line +=
        std::to_string(heads) + ", " + std::to_string(record.tokens()) + ", " + std::to_string(record.tokens()) + "]}";
  }
  index_.append(index_.empty() ? "\n " : ",\n ").append(line).append("]}");
}

void AttentionFiles::publish(OutputFile* page) {
  OutputFile& index = *index_file_;
  index.write("{\"sequences\": [" + index_ + "\n]}\n");
  std::vector<OutputFile*> files;
  for (OutputFile& file : arrays_) files.push_back(&file);
  files.push_back(&index);
  if (page) files.push_back(page);
  OutputFile::publish_all(files);
}

}  // namespace gpt2run
