// The one file that knows spdlog.
#include "host/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

#include "gpt2run/quoted.hpp"

namespace gpt2run {
namespace {

spdlog::level::level_enum normal_level() {
  return secure_getenv("GPT2RUN_DEBUG") ? spdlog::level::debug : spdlog::level::info;
}

// Never destroyed: a plugin's thread may still log while the process ends.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto* created = new spdlog::logger("gpt2run", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_pattern("gpt2run: %v");
    created->set_level(normal_level());
    return created;
  }();
  return *instance;
}

}  // namespace

// Messages go in as arguments, never as a format: a plugin's text may hold braces.
void log_debug(std::string_view message) { logger().debug("{}", printable(message)); }
void log_info(std::string_view message) { logger().info("{}", printable(message)); }
void log_warning(std::string_view message) { logger().warn("warning: {}", printable(message)); }

void set_program(const std::string& name) { logger().set_pattern(name + ": %v"); }

void set_quiet(bool quiet) { logger().set_level(quiet ? spdlog::level::warn : normal_level()); }

}  // namespace gpt2run
