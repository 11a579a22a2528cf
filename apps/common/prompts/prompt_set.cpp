// The header is checked against the size of the file before any token is read.
#include "common/prompts/prompt_set.hpp"

#include <array>
#include <cstring>

#include "gpt2run/sdk/escape.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

constexpr int32_t kMagic = 20240520, kVersion = 1;
constexpr size_t kHeader = 256 * sizeof(int32_t);

enum Word : size_t { magic, version, tokens, row_length };  // indices into the header

int32_t word(std::string_view bytes, Word which) {
  int32_t value;
  std::memcpy(&value, bytes.data() + which * sizeof value, sizeof value);
  return value;
}

// The number of tokens per row. Throws unless it divides the number of tokens in the file.
int64_t length_of_row(const std::string& file, std::string_view bytes, int64_t given) {
  const int64_t stored = word(bytes, row_length), count = word(bytes, tokens);
  if (stored < 0) fail(file, ": expected rows of one token or more in its header, found ", stored);
  if (given == 0 && stored == 0) usage_error(file, ": does not say how many tokens a row has: give --t");
  if (given != 0 && stored != 0 && given != stored)
    usage_error(file, ": expected rows of ", stored, " tokens, as its header says, found --t ", given);
  const int64_t t = given != 0 ? given : stored;
  if (t < 1 || count % t != 0)
    fail(file, ": expected rows of ", t, " tokens, found ", count, " tokens, which ", t, " does not divide");
  return t;
}

void check_size(const std::string& file, std::string_view bytes) {
  if (bytes.size() < kHeader) fail(file, ": expected a header of ", kHeader, " bytes, found ", bytes.size());
  if (word(bytes, version) != kVersion)
    fail(file, ": expected version ", kVersion, " of a prompt set, found ", word(bytes, version));
  const int64_t count = word(bytes, tokens);
  if (count < 1) fail(file, ": expected one token or more, found ", count);
  const uint64_t expected = kHeader + static_cast<uint64_t>(count) * sizeof(uint16_t);
  if (bytes.size() != expected)
    fail(file, ": expected ", expected, " bytes for ", count, " tokens, found ", bytes.size());
}

}  // namespace

bool is_prompt_set(std::string_view bytes) { return bytes.size() >= sizeof kMagic && word(bytes, magic) == kMagic; }

PromptSet read_prompt_set(const std::string& file, std::string_view bytes, int64_t t, int32_t padding) {
  if (!is_prompt_set(bytes))
    fail(file, ": expected a prompt set, which begins with the number ", kMagic, ", found ",
         in_quotes(bytes.substr(0, sizeof kMagic)));
  check_size(file, bytes);
  t = length_of_row(file, bytes, t);
  const int64_t rows = word(bytes, tokens) / t;
  PromptSet set;
  std::vector<uint16_t> row(static_cast<size_t>(t));
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(row.data(), bytes.data() + kHeader + static_cast<size_t>(r * t) * sizeof(uint16_t),
                row.size() * sizeof(uint16_t));
    size_t length = 0;
    while (length < row.size() && row[length] != padding) ++length;
    for (size_t column = length; column < row.size(); ++column)
      if (row[column] != padding)
        fail(file, ": row ", r + 1, ", column ", column + 1, ": expected padding, token ", padding,
             ", to the row's end, found token ", row[column], "; is a row ", t, " tokens long?");
    if (length == 0)
      set.empty.push_back(r + 1);
    else
      set.rows.push_back({r + 1, {row.begin(), row.begin() + static_cast<std::ptrdiff_t>(length)}});
  }
  return set;
}

std::string prompt_set_bytes(std::span<const std::vector<int32_t>> rows, int32_t t, int32_t padding) {
  std::array<int32_t, kHeader / sizeof(int32_t)> header{};
  header[magic] = kMagic, header[version] = kVersion, header[row_length] = t;
  header[tokens] = static_cast<int32_t>(std::ssize(rows) * t);
  std::string bytes(reinterpret_cast<const char*>(header.data()), kHeader);
  std::vector<uint16_t> row;
  for (const std::vector<int32_t>& given : rows) {
    row.assign(given.begin(), given.end());
    row.resize(static_cast<size_t>(t), static_cast<uint16_t>(padding));
    bytes.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(uint16_t));
  }
  return bytes;
}

}  // namespace gpt2run
