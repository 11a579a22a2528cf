// NumPy's array files.
#pragma once
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gpt2run {

inline constexpr size_t kNpyHeader = 128;  // bytes, enough for any shape of up to three sizes

// The header of NumPy's format 1.0 for an array of 32-bit floats in C order: magic, version, length of the rest, a
// Python dictionary padded with spaces, and a line end. It always has kNpyHeader bytes, so that it can be replaced when
// the shape is known.
inline std::string npy_header(std::span<const int64_t> shape) {
  const char* order = std::endian::native == std::endian::little ? "<" : ">";
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(kNpyHeader - 10);
  header += '\0';
  header += "{'descr': '" + std::string(order) + "f4', 'fortran_order': False, 'shape': (";
  for (const int64_t size : shape) header += std::to_string(size) + (shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) header.resize(header.size() - 2);
  header += "), }";
  header.resize(kNpyHeader - 1, ' ');
  return header + '\n';
}

inline std::string_view bytes_of(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

}  // namespace gpt2run
