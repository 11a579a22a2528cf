// Checks of the files that a run reads and writes, before it starts: no input may be overwritten, and no two outputs
// may be the same file.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/pipeline/choice.hpp"
#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run {

// A path, and the option that gave it, for messages.
struct NamedPath {
  std::string option;
  std::filesystem::path path;
};

// Throws UsageError naming both options when the output is the same file as an input, or a file in an input that is a
// folder.
void check_not_read(const NamedPath& output, std::span<const NamedPath> inputs);

// Checks all files of a run of the pipeline. The outputs are --manifest and the option `out` of every sink, where "-"
// is standard output. The inputs are the config file, the model and its folder, the tokenizer, the prompts and the
// plugins. Two paths to the same file are recognised, also through links. Throws UsageError naming both options.
void check_files(const PluginHost& host, const Configuration& configuration, const Selection& choice);

// Checks the output file of a program that also prints a table. Beside check_not_read(), it may not be the file to
// which standard output is redirected. "" and "-" name no file. Throws UsageError.
void check_output(const NamedPath& output, std::span<const NamedPath> inputs);

// The same with the inputs of check_files(). plugins: those that take part.
void check_output(const PluginHost& host, const Configuration& configuration, const std::string& model,
                  std::span<const BoundPlugin* const> plugins, const NamedPath& output);

// Writes a program's results: JSON to the file `path`, then a table to standard output. The table is printed even if
// the file cannot be written. With path "" there is no JSON; with "-" it is printed in place of the table. Throws
// Error.
using Text = std::function<std::string()>;
void publish_results(const std::string& path, const Text& json, const Text& table);

// The folders in which outputs will be written.
std::vector<std::filesystem::path> output_folders(const Configuration& configuration, const Selection& choice);

// Notes which folders of outputs do not exist yet, and at its end removes those of them that are empty, so that a run
// that fails leaves none. It must live longer than the files in them.
class MadeFolders {
 public:
  MadeFolders() = default;
  ~MadeFolders();
  MadeFolders(const MadeFolders&) = delete;
  MadeFolders& operator=(const MadeFolders&) = delete;

  void note(const std::filesystem::path& folder);

 private:
  std::vector<std::filesystem::path> missing_;  // the outer ones of a path first
};

// Opens an output ("" and "-" are none) and drops it again, so that one that cannot be written is an error before the
// work. Leaves nothing behind. Throws Error.
void check_writable(const std::string& path);

// The output file of --manifest. It is opened before the run, so that a file that cannot be written is an early error.
class ManifestFile {
 public:
  // path: "" for none, "-" for standard output. Throws Error when the file cannot be written.
  explicit ManifestFile(std::string_view path);
  // Writes the manifest, and lets the file appear under its name. Throws Error.
  void publish(std::string_view json);

 private:
  bool standard_output_;
  std::optional<OutputFile> file_;
};

}  // namespace gpt2run
