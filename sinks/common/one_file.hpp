// What sinks into one file share: where it is, when it appears and what is said of it.
#pragma once
#include <optional>
#include <string>
#include <utility>

#include "gpt2run/sdk/output_file.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

// What the option `out` names: standard output, or a file that has its name when the run has ended.
class OneFile {
 public:
  // sink: its name, for the log.
  OneFile(std::string sink, const Options& options, const Host& host)
      : sink_(std::move(sink)), path_(options.text("out")), host_(host) {}

  // First, and once. name: if there is one, what "{name}" in the path stands for.
  void begin(std::string_view name = {}) {
    constexpr std::string_view kPlace = "{name}";
    if (const size_t at = path_.find(kPlace); !name.empty() && at != path_.npos) path_.replace(at, kPlace.size(), name);
    output_.emplace(path_);
  }
  void write(std::string_view bytes) { output_->write(bytes); }
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
