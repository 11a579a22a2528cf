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

  // Throws Error if there is something that is not packed weights alone, so that none of it is lost when they are
  // replaced.
  static void check_replaceable(const std::filesystem::path& folder);

  // What packed.json says of the source, without a look at the weights. Throws Error as the constructor does.
  static PackedSource source_of(const std::filesystem::path& folder);

  // Maps the folder. Throws Error for a folder of another version, or one that is damaged. Neither the source nor the
  // sums are looked at. Both files are those of one folder, also where another takes its place meanwhile.
  explicit PackedFolder(const std::filesystem::path& folder);
  const std::string& path() const { return path_; }
  const PackedSource& source() const { return source_; }
  // Null if there is none in this layout.
  PackedWeights find(Weight weight, int layer, std::string_view layout) const;
  // Whether the weight of layer 0 is there in a layout whose name, such as "type=bf16:panel=64", has this type.
  bool holds(Weight weight, Type type) const;

  // Reads everything: throws Error unless packed.bin and the files of the source have the SHA-256 that they had when
  // the folder was made. between: called after every megabyte, may throw.
  void verify(const std::function<void()>& between) const;

 private:
  using Key = std::pair<std::pair<Weight, int>, std::string>;

  struct Unmap {
    uint64_t size;
    void operator()(const char* data) const;
  };

  void map_data(int folder, uint64_t size);

  std::string path_;
  PackedSource source_;
  std::map<std::string, std::string> sums_;  // of whole files, by path
  std::string data_sum_;
  std::map<Key, PackedWeights, std::less<>> weights_;
  std::unique_ptr<const char, Unmap> data_;
};

// The same path without a slash, or "/.", at its end: with one, parent_path() would be the folder itself.
std::filesystem::path without_last_slash(std::filesystem::path folder);

// Writes a folder. It takes the place of one that is there, if that holds packed weights alone. between: as in
// PackedFolder::verify. Throws Error, and leaves nothing then. What a process that was killed has left of a folder of
// the same name is removed first. Several threads and processes may write the same folder; one of them is then there
// whole.
void write_packed_folder(const std::filesystem::path& folder, const PackedSource& source,
                         std::span<const PackedPart> parts, const std::function<void()>& between = {});

// Removes what killed processes have left of folders in `parent` whose names is_name accepts. A folder that a process
// still writes is locked and stays, and so does one on a file system without locks.
void remove_unfinished(const std::filesystem::path& parent, const std::function<bool(std::string_view)>& is_name);

}  // namespace gpt2run
