// Quantises a matrix row by row.
#include <bit>
#include <cmath>
#include <string>

#include "common/program/interrupt.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/quantise.hpp"
#include "write_values.hpp"

namespace gpt2run::convert {
namespace {

constexpr int kMostInt4Weight = 8 * kMostInt4;

template <class T>
std::string_view bytes(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// Two codes of four bits in each byte, the even one in the low half.
void append_pairs(const std::vector<uint8_t>& codes, std::string& to) {
  for (size_t i = 0; i < codes.size(); i += 2)
    to.push_back(static_cast<char>(codes[i] | (i + 1 < codes.size() ? codes[i + 1] << 4 : 0)));
}

// Throws Error for a row that has no scale. index: its number.
void check_scale(float scale, std::span<const float> row, int64_t index, Type type, const std::string& name) {
  if (std::isfinite(scale) && std::isfinite(scale * static_cast<float>(type == Type::i8 ? kMostInt8 : kMostInt4Weight)))
    return;
  for (size_t col = 0; col < row.size(); ++col)
    if (!std::isfinite(row[col]))
      fail("weight ", name, ": ", name_of(type), ": expected finite values, found ", row[col], " in row ", index,
           ", column ", col);
  fail("weight ", name, ": ", name_of(type), ": expected values that can be scaled, found one of ",
       std::bit_cast<float>(largest_magnitude(row)), " in row ", index);
}

// The scales and groups of a matrix, while its codes are written.
class Quantiser {
 public:
  Quantiser(const Tensor& t, Type type, const std::string& name)
      : t_(t), type_(type), name_(name), row_(static_cast<size_t>(t.cols)), groups_(groups_of_row()) {}

  // Appends the codes of a row to `to`.
  void append_row(int64_t row, std::string& to) {
    for (int64_t col = 0; col < t_.cols; ++col) row_[static_cast<size_t>(col)] = at(t_, row, col);
    codes_.resize(row_.size());
    const float scale = type_ == Type::i8 ? quantise_int8(row_, reinterpret_cast<int8_t*>(codes_.data()))
                                          : quantise_int4(row_, codes_.data(), groups_.data());
    check_scale(scale, row_, row, type_, name_);
    scales_.push_back(scale);
    if (type_ == Type::i8) return void(to.append(bytes<uint8_t>(codes_)));
    append_pairs(codes_, to);
    for (const Int4Group group : groups_) group_bytes_.push_back(static_cast<char>(group.byte()));
  }

  void write_rest(OutputFile& file) const {
    file.write(bytes<float>(scales_));
    file.write(group_bytes_);
  }

 private:
  size_t groups_of_row() const { return (row_.size() + kInt4Group - 1) / kInt4Group; }

  Tensor t_;
  Type type_;
  const std::string& name_;
  std::vector<float> row_, scales_;
  std::vector<uint8_t> codes_;
  std::vector<Int4Group> groups_;  // of one row
  std::string group_bytes_;
};

void copy(OutputFile& file, const Tensor& t) {
  const auto line = static_cast<size_t>(bytes_of(t.type, t.cols));
  const auto count = static_cast<size_t>(t.rows);
  const char* codes = static_cast<const char*>(t.data);
  for (int64_t row = 0; row < t.rows; ++row) file.write({codes + bytes_of(t.type, row * t.row_stride), line});
  file.write({static_cast<const char*>(t.scales), count * sizeof(float)});
  if (t.type == Type::u4) file.write({static_cast<const char*>(t.groups), count * static_cast<size_t>(groups_of(t))});
}

}  // namespace

void write_quantised(OutputFile& file, const Tensor& t, Type type, const std::string& name) {
  const bool is_written_so = t.type == type && t.col_stride == 1 && (type == Type::i8 || t.group == kInt4Group);
  if (is_written_so) return copy(file, t);
  Quantiser quantiser(t, type, name);
  std::string line;
  for (int64_t row = 0; row < t.rows; ++row) {
    if (interrupted()) fail("interrupted while ", name, " was written to ", file.path());
    line.clear();
    quantiser.append_row(row, line);
    file.write(line);
  }
  quantiser.write_rest(file);
}

}  // namespace gpt2run::convert
