// A folder of packed weights: a model's weights as the kernels of a precision read them, so that they are mapped and
// used as they lie, without a conversion and without a second copy in memory.
//
// packed.bin holds the weights one after another, each at a multiple of 64 bytes. packed.json says which weight lies
// where, in which layout, and from which files they were made. A layout's name is the precision's own. It says the
// rounding contract and all that the place of a value depends on, and not the instruction set. The folder belongs to
// its source: config, tokenizer and the tensors for other precisions stay there, and a source that has changed makes
// the folder useless. A folder is written aside, brought to the disk, renamed, and never changed in place.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/pipeline/packed_source.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run {

// An open folder. It owns the mapped memory. Any thread may use it.
class PackedFolder {
 public:
  // Whether there is a packed.json.
  static bool is_one(const std::filesystem::path& folder);

  // Maps the folder. Throws Error for a folder of another version, or one that is damaged. Neither the source nor the
  // sums are looked at.
  explicit PackedFolder(const std::filesystem::path& folder);
  const std::string& path() const { return path_; }
  const PackedSource& source() const { return source_; }
  // Null if there is none in this layout.
  PackedWeights find(Weight weight, int layer, std::string_view layout) const;

  // Reads everything: throws Error unless packed.bin and the files of the source have the SHA-256 that they had when
  // the folder was made. between: called after every megabyte, may throw.
  void verify(const std::function<void()>& between) const;

 private:
  using Key = std::pair<std::pair<Weight, int>, std::string>;

  struct Unmap {
    uint64_t size;
    void operator()(const char* data) const;
  };

  void map_data(uint64_t size);

  std::string path_;
  PackedSource source_;
  std::map<std::string, std::string> sums_;  // of whole files, by path
  std::string data_sum_;
  std::map<Key, PackedWeights, std::less<>> weights_;
  std::unique_ptr<const char, Unmap> data_;
};

// Writes a folder. It takes the place of one that is there. between: as in PackedFolder::verify. Throws Error, and
// leaves nothing then.
void write_packed_folder(const std::filesystem::path& folder, const PackedSource& source,
                         std::span<const PackedPart> parts, const std::function<void()>& between = {});

}  // namespace gpt2run
