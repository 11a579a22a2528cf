// Files are compared as the system knows them, names only where there is no file yet.
#include "host/run_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "gpt2run/quoted.hpp"
#include "host/prompt_file.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

// option: how messages name it.
struct Place {
  std::string option;
  fs::path path;
};

bool is_standard_output(const fs::path& path) {
  struct stat named, standard;
  if (path == "-") return true;
  return stat(path.c_str(), &named) == 0 && fstat(STDOUT_FILENO, &standard) == 0 && !S_ISCHR(named.st_mode) &&
         named.st_dev == standard.st_dev && named.st_ino == standard.st_ino;
}

// A device like /dev/null takes any number of outputs.
bool are_one(const fs::path& a, const fs::path& b) {
  if (is_standard_output(a) || is_standard_output(b)) return is_standard_output(a) && is_standard_output(b);
  std::error_code error;
  if (fs::is_character_file(a, error)) return false;
  return fs::equivalent(a, b, error) || OutputFile::target_of(a) == OutputFile::target_of(b);
}

std::string option_of(const Chosen& sink, const char* key) { return "--" + std::string(sink.plugin->name) + "." + key; }

std::vector<Place> outputs_of(const Configuration& configuration, const std::vector<Chosen>& sinks) {
  std::vector<Place> outputs;
  if (const std::string_view path = configuration.values().text("manifest"); !path.empty())
    outputs.push_back({"--manifest", path});
  for (const Chosen& sink : sinks)
    for (const OptionSpec& spec : sink.values.specs()) {
      const std::string_view key = spec.key;
      if (spec.type != std::string_view("text") || (key != "out" && key != "dir")) continue;
      const std::string& path = sink.values.shown(key);
      if (path.empty()) misused(option_of(sink, spec.key), ": expected a path, found an empty text");
      if (key == "out") outputs.push_back({option_of(sink, spec.key), path});
    }
  return outputs;
}

std::vector<Place> inputs_of(const PluginHost& host, const Configuration& configuration, const Choice& choice) {
  std::vector<Place> inputs;
  for (const char* key : {"config", "tokenizer"})
    if (const std::string_view path = configuration.values().text(key); !path.empty())
      inputs.push_back({std::string("--") + key, path});
  inputs.push_back({"--model", choice.model});
  std::error_code error;
  for (size_t i = inputs.size(); i-- > 0;)
    for (fs::directory_iterator file(inputs[i].path, error), end; !error && file != end; file.increment(error))
      inputs.push_back({inputs[i].option, file->path()});
  const std::vector<std::string>& prompts = configuration.list("prompt");
  if (std::find(prompts.begin(), prompts.end(), "-") != prompts.end()) inputs.push_back({"--prompt -", "/dev/stdin"});
  for (const std::string& pattern : configuration.list("prompts"))
    for (const std::string& file : prompt_files(pattern))
      inputs.push_back({"--prompts", file == "-" ? "/dev/stdin" : file});
  Choice named = choice;
  for (const Chosen* chosen : named.all())
    if (const Candidate* plugin = host.find(chosen->plugin->kind, chosen->plugin->name, chosen->plugin->space))
      inputs.push_back({chosen->values.owner(), plugin->file});
  return inputs;
}

void check_not_read(const Place& output, const std::vector<Place>& inputs) {
  std::error_code error;
  if (!fs::is_regular_file(output.path, error)) return;
  for (const Place& input : inputs)
    if (fs::is_regular_file(input.path, error) && fs::equivalent(output.path, input.path, error))
      misused(output.option, " ", in_quotes(output.path.string()), ": expected a file that is not read, found one of ",
              input.option);
}

}  // namespace

void check_files(const PluginHost& host, const Configuration& configuration, const Choice& choice) {
  std::ptrdiff_t readers = 0;
  for (const char* key : {"prompt", "prompts"}) readers += std::ranges::count(configuration.list(key), "-");
  if (readers > 1) misused("--prompt - and --prompts -: given twice; standard input can be read once");
  const std::vector<Place> outputs = outputs_of(configuration, choice.sinks);
  const std::vector<Place> inputs = inputs_of(host, configuration, choice);
  for (const Place& output : outputs) {
    for (const Place* other = outputs.data(); other != &output; ++other) {
      if (!are_one(other->path, output.path)) continue;
      misused(other->option, " and ", output.option, ": both write to ",
              is_standard_output(output.path) ? "standard output" : in_quotes(output.path.string()),
              "; give one of them another file");
    }
    check_not_read(output, inputs);
  }
}

ManifestFile::ManifestFile(std::string_view path) : standard_output_(path == "-") {
  if (!path.empty() && !standard_output_) file_.emplace(path);
}

void ManifestFile::publish(std::string_view json) {
  if (standard_output_) write_all(STDOUT_FILENO, json, "standard output");
  if (!file_) return;
  file_->write(json);
  file_->publish();
}

}  // namespace gpt2run
