// Files are compared by identity, so that links are recognised. Paths are compared only where no file exists yet.
#include "common/pipeline/run_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <exception>

#include "common/pipeline/packed_model.hpp"
#include "common/program/temporaries.hpp"
#include "common/prompts/prompt_file.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

bool is_standard_output(const fs::path& path) {
  struct stat named, standard;
  if (path == "-") return true;
  return stat(path.c_str(), &named) == 0 && fstat(STDOUT_FILENO, &standard) == 0 && !S_ISCHR(named.st_mode) &&
         named.st_dev == standard.st_dev && named.st_ino == standard.st_ino;
}

// Whether two outputs are the same file. A device such as /dev/null may be used by several.
bool are_one(const fs::path& a, const fs::path& b) {
  if (is_standard_output(a) || is_standard_output(b)) return is_standard_output(a) && is_standard_output(b);
  std::error_code error;
  if (fs::is_character_file(status_of(a))) return false;
  return fs::equivalent(a, b, error) || OutputFile::target_of(a) == OutputFile::target_of(b);
}

std::string option_of(const BoundPlugin& sink, const char* key) {
  return "--" + std::string(sink.plugin->name) + "." + key;
}

std::vector<NamedPath> outputs_of(const Configuration& configuration, const std::vector<BoundPlugin>& sinks) {
  std::vector<NamedPath> outputs;
  if (const std::string_view path = configuration.values().text("manifest"); !path.empty())
    outputs.push_back({"--manifest", path});
  for (const BoundPlugin& sink : sinks)
    for (const OptionSpec& spec : sink.values.specs()) {
      const std::string_view key = spec.key;
      if (spec.type != std::string_view("text") || (key != "out" && key != "dir")) continue;
      const std::string& path = sink.values.shown(key);
      if (path.empty()) usage_error(option_of(sink, spec.key), ": expected a path, found an empty text");
      if (key == "out") outputs.push_back({option_of(sink, spec.key), path});
    }
  return outputs;
}

std::vector<NamedPath> inputs_of(const PluginHost& host, const Configuration& configuration, const std::string& model,
                                 std::span<const BoundPlugin* const> plugins) {
  std::vector<NamedPath> inputs;
  for (const char* key : {"config", "tokenizer", "text", "test_model"}) {
    const OptionValues& values = configuration.values();
    const std::string path = values.declares(key) ? values.shown(key) : "";
    if (!path.empty()) inputs.push_back({std::string("--") + key, path == "-" ? "/dev/stdin" : path});
  }
  inputs.push_back({"--model", model});
  if (const std::string source = source_of_model(model); source != model) inputs.push_back({"--model", source});
  const std::vector<std::string>& prompts = configuration.list("prompt");
  if (std::find(prompts.begin(), prompts.end(), "-") != prompts.end()) inputs.push_back({"--prompt -", "/dev/stdin"});
  for (const std::string& pattern : configuration.list("prompts"))
    for (const std::string& file : prompt_files(pattern))
      inputs.push_back({"--prompts", file == "-" ? "/dev/stdin" : file});
  for (const BoundPlugin* chosen : plugins)
    if (const Candidate* plugin = host.find(chosen->plugin->kind, chosen->plugin->name, chosen->plugin->space))
      inputs.push_back({chosen->values.owner(), plugin->file});
  return inputs;
}

[[noreturn]] void both_write(const std::string& one, const std::string& other, const fs::path& path) {
  usage_error(one, " and ", other, ": both write to ",
              is_standard_output(path) ? "standard output" : in_quotes(path.string()),
              "; give one of them another file");
}

bool are_equivalent(const fs::path& a, const fs::path& b) {
  std::error_code error;
  const bool same = is_file(b) && fs::equivalent(a, b, error);
  if (error && error != std::errc::no_such_file_or_directory) fail(a.string(), ": cannot be read: ", error.message());
  return same;
}

}  // namespace

void check_not_read(const NamedPath& output, std::span<const NamedPath> inputs) {
  try {
    if (!is_file(output.path)) return;
  } catch (const Error& error) {
    fail(output.option, ": ", error.what());
  }
  for (const NamedPath& input : inputs) {
    bool found = are_equivalent(output.path, input.path);
    for (const fs::path& file : entries_of(input.path)) found = found || are_equivalent(output.path, file);
    if (found)
      usage_error(output.option, " ", in_quotes(output.path.string()),
                  ": expected a file that is not read, found one of ", input.option);
  }
}

namespace {

// Two sinks of one kind name their files alike, so that in one folder the second would overwrite the first's.
void check_folders(const std::vector<BoundPlugin>& sinks) {
  for (const BoundPlugin& sink : sinks)
    for (const BoundPlugin* other = sinks.data(); other != &sink; ++other) {
      if (other->plugin != sink.plugin || !sink.values.declares("dir")) continue;
      const auto folder_of = [](const BoundPlugin& one) {
        const fs::path given(one.values.shown("dir"));
        return given.has_filename() ? given : given.parent_path();  // without a slash at the end
      };
      const bool has_name = sink.values.declares("name");
      if (has_name && sink.values.shown("name") != other->values.shown("name")) continue;
      if (are_one(folder_of(*other), folder_of(sink)))
        usage_error("--sink: ", sink.spec.name, " is given twice with the folder ", in_quotes(sink.values.shown("dir")),
                    ", where the second would overwrite the files of the first; give one of them another dir",
                    has_name ? " or name" : "");
    }
}

}  // namespace

void check_files(const PluginHost& host, const Configuration& configuration, const Selection& choice) {
  std::ptrdiff_t readers = 0;
  for (const char* key : {"prompt", "prompts"}) readers += std::ranges::count(configuration.list(key), "-");
  if (readers > 1) usage_error("--prompt - and --prompts -: given twice; standard input can be read once");
  const std::vector<NamedPath> outputs = outputs_of(configuration, choice.sinks);
  const std::vector<NamedPath> inputs = inputs_of(host, configuration, choice.model, choice.all());
  check_folders(choice.sinks);
  for (const NamedPath& output : outputs) {
    for (const NamedPath* other = outputs.data(); other != &output; ++other) {
      if (are_one(other->path, output.path)) both_write(other->option, output.option, output.path);
    }
    check_not_read(output, inputs);
  }
}

void check_output(const NamedPath& output, std::span<const NamedPath> inputs) {
  if (output.path.empty() || output.path == "-") return;
  if (is_standard_output(output.path)) both_write(output.option, "the table", output.path);
  check_not_read(output, inputs);
}

void check_output(const PluginHost& host, const Configuration& configuration, const std::string& model,
                  std::span<const BoundPlugin* const> plugins, const NamedPath& output) {
  check_output(output, inputs_of(host, configuration, model, plugins));
}

void publish_results(const std::string& path, const Text& json, const Text& table) {
  if (path == "-") return write_all(STDOUT_FILENO, json(), "standard output");
  std::exception_ptr error;
  try {
    if (!path.empty()) {
      OutputFile file(path);
      note_output_folder(OutputFile::target_of(path).parent_path());
      file.write(json());
      file.publish();
    }
  } catch (const Error&) {
    error = std::current_exception();
  }
  write_all(STDOUT_FILENO, table(), "standard output");
  if (error) std::rethrow_exception(error);
}

std::vector<fs::path> output_folders(const Configuration& configuration, const Selection& choice) {
  std::vector<fs::path> folders;
  for (const NamedPath& output : outputs_of(configuration, choice.sinks))
    if (!is_standard_output(output.path)) folders.push_back(OutputFile::target_of(output.path).parent_path());
  for (const BoundPlugin& sink : choice.sinks)
    if (sink.values.declares("dir")) folders.push_back(OutputFile::target_of(sink.values.shown("dir")));
  return folders;
}

MadeFolders::~MadeFolders() {
  for (size_t i = missing_.size(); i-- > 0;) rmdir(missing_[i].c_str());  // refuses folders that are not empty
}

void MadeFolders::note(const fs::path& folder) {
  const auto known = std::ssize(missing_);
  std::error_code error;
  if (folder.empty()) return;
  // The root is there, even if it cannot be looked at.
  for (fs::path path = fs::absolute(folder, error); path.has_relative_path(); path = path.parent_path())
    if (fs::symlink_status(path, error).type() == fs::file_type::not_found)
      missing_.insert(missing_.begin() + known, path);
}

void check_writable(const std::string& path) {
  if (path.empty() || path == "-") return;
  MadeFolders made;
  made.note(OutputFile::target_of(path).parent_path());
  const OutputFile file(path);
}

ManifestFile::ManifestFile(std::string_view path) : standard_output_(path == "-") {
  if (path.empty() || standard_output_) return;
  file_.emplace(path);
  note_output_folder(OutputFile::target_of(path).parent_path());
}

void ManifestFile::publish(std::string_view json) {
  if (standard_output_) write_all(STDOUT_FILENO, json, "standard output");
  if (!file_) return;
  file_->write(json);
  file_->publish();
}

}  // namespace gpt2run
