// The rules by which existing files are replaced, and cleaning up after an error.
#include "output_set.hpp"

#include "common/pipeline/packed_source.hpp"
#include "common/pipeline/verify.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/temporaries.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/sdk/folder.hpp"

namespace gpt2run::convert {
namespace {

namespace fs = std::filesystem;

bool holds(const fs::path& path, std::string_view bytes) {
  if (!is_file(path) || fs::file_size(path) != bytes.size()) return false;
  return read_file(path) == bytes;
}

}  // namespace

void OutputSet::check(const fs::path& path) const {
  if (is_there(path) && !is_file(path)) {
    fail(path.string(), ": expected a file to write, found a folder, a pipe, a device or a link to nothing");
  }
  for (const fs::path& input : inputs_) {
    if (is_file(path) && is_file(input) && fs::equivalent(path, input))
      fail(path.string(), ": expected a file that is not read, found one of the model: give --out another place");
  }
  if (is_there(path) && !force_) fail(path.string(), ": already exists; --force replaces it");
}

OutputFile& OutputSet::add(const fs::path& path) {
  check(path);
  check(sums_);
  made_folders_.note(path.parent_path());
  note_output_folder(OutputFile::target_of(path).parent_path());
  return files_.emplace_back(path);
}

void OutputSet::add(const fs::path& path, std::string_view bytes) {
  if (holds(path, bytes))
    unchanged_.push_back(path);
  else
    add(path).write(bytes);
}

void OutputSet::add_sums() {
  std::string lines;
  const auto add_line = [&](const fs::path& place, const fs::path& path) {
    const std::string sum = sha256_of_file(place.string(), [&] {
      if (interrupted()) fail("interrupted while the sum of ", path.string(), " was made");
    });
    lines += sum_line(sum, path.filename().string());
  };
  for (OutputFile& file : files_) file.close(), add_line(file.place(), file.path());
  for (const fs::path& path : unchanged_) add_line(path, path);
  add(sums_).write(lines);
}

void OutputSet::refuse(const fs::path& path) const {
  if (is_there(path)) fail(path.string(), ": already exists and would be read with the model: move it away");
}

void OutputSet::publish() {
  std::vector<OutputFile*> files;
  for (OutputFile& file : files_) files.push_back(&file);
  OutputFile::publish_all(files);
}

}  // namespace gpt2run::convert
