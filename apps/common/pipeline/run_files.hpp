// The files that a run reads and writes, looked at before it starts: nothing that is read may be written over, and no
// two outputs may be one.
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

// A path and how messages name the option that gave it.
struct NamedPath {
  std::string option;
  std::filesystem::path path;
};

// Throws UsageError naming both options when the output is one of the inputs, or lies in one that is a folder.
void check_not_read(const NamedPath& output, std::span<const NamedPath> inputs);

// Outputs are --manifest and every `out` of a sink, "-" being standard output; inputs the configuration, the model and
// its folder, the tokenizer, prompts and the plugins. A file is the same by any spelling, through links too. Throws
// UsageError naming both options.
void check_files(const PluginHost& host, const Configuration& configuration, const Selection& choice);

// A file beside the table of a program that prints one: as check_not_read(), and it is not what standard output is. ""
// and "-" are no file. Throws UsageError.
void check_output(const NamedPath& output, std::span<const NamedPath> inputs);

// The same with the inputs of check_files().
void check_output(const PluginHost& host, const Configuration& configuration, const std::string& model,
                  std::span<const BoundPlugin* const> plugins, const NamedPath& output);

// What a program found: JSON to the file of that path, then the table to standard output; the table is printed though
// the file cannot be written. Path "": no JSON, "-": JSON in place of the table. Throws Error.
using Text = std::function<std::string()>;
void publish_results(const std::string& path, const Text& json, const Text& table);

// Where outputs appear.
std::vector<std::filesystem::path> output_folders(const Configuration& configuration, const Selection& choice);

// The file of --manifest, taken before the run so that one that cannot be written is known by then.
class ManifestFile {
 public:
  explicit ManifestFile(std::string_view path);  // "": none, "-": standard output. Throws Error
  void publish(std::string_view json);           // Throws Error

 private:
  bool standard_output_;
  std::optional<OutputFile> file_;
};

}  // namespace gpt2run
