// Writes files as torch.save() does, and wrong ones: pickles by their opcodes, archives, and the older series of
// pickles.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run::test {

// What PyTorch itself has written.
inline const std::string kTorchGoldens = SOURCE_DIR "/tests/golden/torch/";

template <class Number>
std::string raw(Number value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// A tensor that is part of a storage.
struct WrittenTensor {
  std::string name, type, key;  // type: "FloatStorage"
  int64_t count, offset;        // elements of the storage, and the first of the tensor
  std::vector<int64_t> shape, strides;
};

// Builds a pickle of protocol 2 value by value.
class Pickler {
 public:
  Pickler& op(std::string_view bytes) { return bytes_ += bytes, *this; }
  Pickler& text(std::string_view text) { return op("X").op(raw(static_cast<uint32_t>(text.size()))).op(text); }
  Pickler& integer(int64_t value) { return op("\x8a\x08").op(raw(value)); }
  Pickler& global(const std::string& module, const std::string& name) { return op("c" + module + "\n" + name + "\n"); }
  Pickler& integers(const std::vector<int64_t>& values) {
    op("(");
    for (const int64_t value : values) integer(value);
    return op("t");
  }
  Pickler& storage(const WrittenTensor& t) {
    op("(").text("storage").global("torch", t.type).text(t.key).text("cpu").integer(t.count);
    return op("tQ");
  }
  Pickler& tensor(const WrittenTensor& t) {
    global("torch._utils", "_rebuild_tensor_v2").op("(").storage(t).integer(t.offset).integers(t.shape);
    return integers(t.strides).op("\x89").global("collections", "OrderedDict").op(")RtR");
  }
  Pickler& state_dict(const std::vector<WrittenTensor>& tensors) {
    global("collections", "OrderedDict").op(")R(");
    for (const WrittenTensor& t : tensors) text(t.name).tensor(t);
    return op("u");
  }
  std::string done() { return op(".").bytes_; }

 private:
  std::string bytes_ = "\x80\x02";
};

struct ZipRecord {
  std::string name, data;
  uint16_t method = 0;
};

std::string zip_of(const std::vector<ZipRecord>& records, bool zip64 = false);

// The tensors of a file and the bytes of their storages.
struct TorchContent {
  std::vector<WrittenTensor> tensors;
  std::vector<std::pair<std::string, std::string>> storages;  // key, bytes

  // An archive of the storages with this pickle, and with records besides.
  std::string archive(const std::string& pickle, const std::vector<ZipRecord>& more = {}, bool zip64 = false) const;
  std::string archive() const { return archive(Pickler().state_dict(tensors).done()); }
  // The form before PyTorch 1.6. element: bytes of one.
  std::string series(const std::string& pickle, bool little_endian = true, int element = 4) const;
  std::string series() const { return series(Pickler().state_dict(tensors).done()); }
};

// How the weights of a model are written.
struct TorchStyle {
  bool linear = false;                           // matrices of layers as (out, in)
  std::string body = "transformer.", head = "";  // prefixes
  bool biases = true, head_stored = true;        // a tied head shares the storage of wte
  bool one_storage = false;                      // all tensors lie in one, every other element, matrices transposed
};

// The weights of a model as FP32.
TorchContent content_of(const Checkpoint& model, const TorchStyle& style = {});

}  // namespace gpt2run::test
