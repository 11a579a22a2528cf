// Reads the golden runs in tests/golden/models/*.json.
#include "support/golden.hpp"

#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>

#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::test {
namespace {

using Json = nlohmann::json;

const std::filesystem::path kFolder = SOURCE_DIR "/tests/golden/models";

Json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path.string() + ": cannot be read");
  return Json::parse(file);
}

std::map<std::string, uint64_t> parse_checksums(const Json& json) {
  std::map<std::string, uint64_t> checksums;
  for (const auto& [name, text] : json.items()) checksums[name] = std::stoull(text.get<std::string>(), nullptr, 16);
  return checksums;
}

GoldenRow parse_row(const Json& json) {
  GoldenRow row{json.at("position"), json.at("sum"), json.at("rms"), {}, json.at("logits")};
  if (json.contains("ids")) {
    row.ids = json.at("ids").get<std::vector<int32_t>>();
  } else {
    row.ids.resize(row.logits.size());
    std::iota(row.ids.begin(), row.ids.end(), 0);
  }
  return row;
}

Golden parse_golden(const std::string& name, const Json& json) {
  Golden golden;
  golden.name = name;
  golden.about = json.at("about");
  golden.model = json.at("model");
  golden.synthetic = golden.model.starts_with("synthetic:");
  if (golden.model == "models/demo") {
    golden.model = SOURCE_DIR "/models/demo";
  } else if (!golden.synthetic) {
    golden.model = (kFolder / golden.model).string();
  }
  golden.tokens = json.at("tokens").get<std::vector<int32_t>>();
  for (const Json& row : json.at("rows")) golden.rows.push_back(parse_row(row));
  golden.greedy = json.at("greedy").get<std::vector<int32_t>>();
  golden.margins = json.at("margins").get<std::vector<double>>();
  if (json.contains("checksums")) golden.checksums = parse_checksums(json.at("checksums"));
  return golden;
}

}  // namespace

std::vector<Golden> load_goldens() {
  std::map<std::string, Golden> goldens;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() != ".json" || name == "synthetic.checksums") continue;
    goldens[name] = parse_golden(name, read_json(entry.path()));
  }
  std::vector<Golden> sorted;
  for (auto& [name, golden] : goldens) sorted.push_back(std::move(golden));
  return sorted;
}

std::map<std::string, std::map<std::string, uint64_t>> load_synthetic_checksums() {
  std::map<std::string, std::map<std::string, uint64_t>> all;
  const Json json = read_json(kFolder / "synthetic.checksums.json");
  for (const auto& [spec, checksums] : json.items()) {
    all[spec] = parse_checksums(checksums);
  }
  return all;
}

float value_at(const Tensor& tensor, int64_t row, int64_t col) {
  const int64_t index = row * tensor.row_stride + col * tensor.col_stride;
  const char* bytes = static_cast<const char*>(tensor.data);
  if (tensor.type == Type::f32) {
    float value;
    std::memcpy(&value, bytes + index * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, bytes + index * 2, 2);
  return tensor.type == Type::f16 ? f32_from_f16(bits) : f32_from_bf16(bits);
}

uint64_t checksum(const Tensor& tensor) {
  uint64_t sum = 0, odd = 1;
  for (int64_t row = 0; row < tensor.rows; ++row) {
    for (int64_t col = 0; col < tensor.cols; ++col, odd += 2) {
      sum += std::bit_cast<uint32_t>(value_at(tensor, row, col)) * odd;
    }
  }
  return sum;
}

}  // namespace gpt2run::test
