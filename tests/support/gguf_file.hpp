// GgufFile: builds the bytes of a GGUF file, right or wrong, without the reader that is under test.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gpt2run::test {

class GgufFile {
 public:
  uint32_t version = 3;
  std::string magic = "GGUF";
  uint64_t alignment = 32;  // of the data; the key general.alignment is not added

  template <class Number>
  static std::string raw(Number number) {
    return {reinterpret_cast<const char*>(&number), sizeof number};
  }
  static std::string text(const std::string& text) { return raw(uint64_t{text.size()}) + text; }

  // A value of the type with this number and these bytes. Each of the following replaces a key that is there.
  GgufFile& set(const std::string& key, uint32_t type, const std::string& bytes) {
    for (auto& [known, value] : values)
      if (known == key) return value = raw(type) + bytes, *this;
    values.emplace_back(key, raw(type) + bytes);
    return *this;
  }
  GgufFile& set(const std::string& key, uint32_t number) { return set(key, 4, raw(number)); }
  GgufFile& set(const std::string& key, float number) { return set(key, 6, raw(number)); }
  GgufFile& set(const std::string& key, const std::string& value) { return set(key, 8, text(value)); }
  GgufFile& set(const std::string& key, const std::vector<std::string>& texts) {
    std::string bytes = raw(uint32_t{8}) + raw(uint64_t{texts.size()});
    for (const std::string& one : texts) bytes += text(one);
    return set(key, 9, bytes);
  }
  GgufFile& set(const std::string& key, const std::vector<int32_t>& numbers) {
    std::string bytes = raw(uint32_t{5}) + raw(uint64_t{numbers.size()});
    for (const int32_t one : numbers) bytes += raw(one);
    return set(key, 9, bytes);
  }

  struct Stored {
    std::string name;
    std::vector<uint64_t> shape;
    uint32_t type;
    std::string bytes;
  };
  Stored& tensor(const std::string& name) {
    for (Stored& one : tensors)
      if (one.name == name) return one;
    return tensors.emplace_back(Stored{name, {}, 0, ""});
  }

  // shift: added to the offset of the last tensor.
  std::string bytes(uint64_t shift = 0) const {
    std::string file = magic + raw(version) + raw(uint64_t{tensors.size()}) + raw(uint64_t{values.size()});
    for (const auto& [key, value] : values) file += text(key) + value;
    std::string data;
    for (const Stored& one : tensors) {
      data.resize((data.size() + alignment - 1) / alignment * alignment);
      file += text(one.name) + raw(static_cast<uint32_t>(one.shape.size()));
      for (const uint64_t size : one.shape) file += raw(size);
      file += raw(one.type) + raw(data.size() + (&one == &tensors.back() ? shift : 0));
      data += one.bytes;
    }
    file.resize((file.size() + alignment - 1) / alignment * alignment);
    return file + data;
  }

  std::vector<std::pair<std::string, std::string>> values;
  std::vector<Stored> tensors;
};

}  // namespace gpt2run::test
