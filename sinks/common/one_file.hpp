// The output of sinks that write a single file.
#pragma once
#include <optional>
#include <string>
#include <utility>

#include "gpt2run/sdk/output_file.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

// The output that the option `out` names: standard output, or a file that appears under its name at the end of the run.
class OneFile {
 public:
  // sink: the sink's name, for the log.
  OneFile(std::string sink, const Options& options, const Host& host)
      : sink_(std::move(sink)), path_(options.text("out")), host_(host) {}

  // Opens the output; to be called first, and once. name: replaces "{name}" in the path, unless it is empty. Throws
  // Error.
  void begin(std::string_view name = {}) {
    constexpr std::string_view kPlace = "{name}";
    if (const size_t at = path_.find(kPlace); !name.empty() && at != path_.npos) path_.replace(at, kPlace.size(), name);
    output_.emplace(path_);
  }
  void write(std::string_view bytes) { output_->write(bytes); }
  // Lets the file appear under its name, and logs it. Throws Error.
  void end() {
    output_->publish();
    if (output_->is_file()) host_.log(1, (sink_ + ": wrote " + path_).c_str());
  }

 private:
  std::string sink_, path_;
  Host host_;
  std::optional<Output> output_;
};

}  // namespace gpt2run
