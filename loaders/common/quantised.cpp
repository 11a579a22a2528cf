// Every number of a quantised matrix is checked here, so that kernels may rely on the bounds of its integers.
#include "quantised.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/quantise.hpp"

namespace gpt2run::loaders {
namespace {

using json::Value;

constexpr const char* kOrientation = "matrices";
constexpr const char* kOutIn = "out,in";
constexpr float kLeastScale = 0x1p-107f;  // below kLeastScaled / 127: the quantiser gives no smaller one but 0

bool is_empty(const Value& value) {
  const bool is_structured = value.type() == json::Type::list || value.type() == json::Type::object;
  return value.is_null() || value.as_flag() == false ||
         (is_structured && value.elements().empty() && value.members().empty());
}

bool is_wpe_alone(const Value& list) {
  return list.elements().size() == 1 && list.elements().front().as_text() == "wpe";
}

// Throws Error unless the tensor is there with this type and shape.
const StoredTensor& part(const StoredTensors& tensors, const std::string& name, const char* dtype,
                         const std::vector<int64_t>& shape) {
  const StoredTensor* found = tensors.find(name);
  if (!found) fail(tensors.path(), ": expected tensor ", in_quotes(name), ", found none");
  const std::string where = *found->path + ": " + in_quotes(name);
  if (found->dtype != dtype) fail(where, ": expected ", dtype, ", found ", found->dtype);
  if (found->shape != shape) fail(where, ": expected shape ", shape_text(shape), ", found ", shape_text(found->shape));
  return *found;
}

void check_scales(const std::string& where, const char* data, int64_t rows, int most_code) {
  for (int64_t row = 0; row < rows; ++row) {
    const float scale = load_element(data, Type::f32, row);
    const uint32_t bits = std::bit_cast<uint32_t>(scale);
    const bool is_exact = (bits & 0xff) == 0 && std::isfinite(scale * static_cast<float>(most_code));
    if (bits == 0 || (scale >= kLeastScale && is_exact)) continue;
    fail(where, ": expected scales that are 0, or from 2^-107 on with 16 significant bits and finite products with ",
         most_code, ", found ", scale, " for row ", row);
  }
}

void check_codes(const std::string& where, const char* data, int64_t rows, int64_t cols) {
  constexpr char kUnused = -128;
  for (int64_t row = 0; row < rows; ++row) {
    const char* codes = data + row * cols;
    int found = 0;
    for (int64_t col = 0; col < cols; ++col) found |= codes[col] == kUnused;
    if (!found) continue;
    fail(where, ": expected codes from -127 to 127, found -128 in row ", row, ", column ",
         std::find(codes, codes + cols, kUnused) - codes);
  }
}

void check_groups(const std::string& where, const char* data, int64_t rows, int64_t groups) {
  constexpr int kMostFactor = 8;
  for (int64_t i = 0; i < rows * groups; ++i) {
    const int factor = Int4Group::of(static_cast<uint8_t>(data[i])).factor;
    if (factor > kMostFactor)
      fail(where, ": expected factors from 1 to ", kMostFactor, ", found ", factor, " in row ", i / groups, ", group ",
           i % groups);
  }
}

}  // namespace

std::optional<Type> read_quantisation(const std::string& path, const Value& setting) {
  if (is_empty(setting)) return std::nullopt;
  constexpr const char* kKey = ": quantization_config: ";
  const auto method = setting.find_or_null("quant_method").as_text();
  if (setting.type() == json::Type::object && setting.find_or_null("quant_method").is_null())
    fail(path, kKey, "quant_method: expected \"gpt2run\", which gpt2convert writes, found no such key");
  if (method != "gpt2run")
    fail(path, kKey, "expected none or one that gpt2convert wrote, found ",
         method ? "the method " + in_quotes(*method) : setting.description(), ", which changes the arithmetic");
  const auto bits = setting.find_or_null("bits").as_integer();
  if (bits != 8 && bits != 4)
    fail(path, kKey, "bits: expected 8 or 4, found ", setting.find_or_null("bits").description());
  const bool is_int4 = bits == 4;
  for (const auto& [key, value] : setting.members()) {
    if (key == "quant_method" || key == "bits") continue;
    const auto expect = [&, where = &key, what = &value](bool is_right, const char* expected) {
      if (!is_right)
        fail(path, kKey, *where, ": expected ", expected, " with ", *bits, " bits, found ", what->description());
    };
    if (key == "group_size")
      expect(value.as_integer() == (is_int4 ? kInt4Group : -1), is_int4 ? "32" : "-1");
    else if (key == "zero_point")
      expect(value.as_flag() == is_int4, is_int4 ? "true" : "false");
    else if (key == "embedding_bits")
      expect(value.as_integer() == 8, "8");
    else if (key == "modules_to_not_convert")
      expect(is_wpe_alone(value), "[\"wpe\"]");
    else
      expect(false, "no such setting");
  }
  return is_int4 ? Type::u4 : Type::i8;
}

void check_orientation(const StoredTensors& tensors) {
  const std::string* found = tensors.metadata(kOrientation);
  if (found && *found == kOutIn) return;
  fail(tensors.path(), ": __metadata__: ", kOrientation, ": expected \"", kOutIn,
       "\" in a file of quantised weights, found ", found ? in_quotes(*found) : "none");
}

Tensor quantised_view(const StoredTensors& tensors, const StoredTensor& codes, const std::string& name, Type type,
                      const Shape& shape) {
  const auto [rows, cols] = shape;
  const int64_t line = bytes_of(type, cols);
  part(tensors, name, type == Type::i8 ? "I8" : "U8", {rows, line});
  const StoredTensor& scales = part(tensors, scales_name(name), "F32", {rows});
  Tensor view{codes.data, type, rows, cols, type == Type::u4 ? 2 * line : line, 1, scales.data};
  const auto where = [](const StoredTensor& stored, const std::string& stored_name) {
    return *stored.path + ": " + in_quotes(stored_name);
  };
  constexpr int kMostInt4Weight = 120;
  check_scales(where(scales, scales_name(name)), scales.data, rows, type == Type::i8 ? kMostInt8 : kMostInt4Weight);
  if (type == Type::i8) {
    check_codes(where(codes, name), codes.data, rows, cols);
    tensors.release({codes.data, static_cast<size_t>(rows * line)});
    return view;
  }
  view.group = kInt4Group;
  const int64_t count = groups_of(view);
  const StoredTensor& groups = part(tensors, groups_name(name), "U8", {rows, count});
  check_groups(where(groups, groups_name(name)), groups.data, rows, count);
  view.groups = groups.data;
  return view;
}

}  // namespace gpt2run::loaders
