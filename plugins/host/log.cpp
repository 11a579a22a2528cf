// The log by spdlog, which only this file uses.
#include "host/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "gpt2run/sdk/escape.hpp"
#include "host/log_writer.hpp"

namespace gpt2run {
namespace {

spdlog::level::level_enum normal_level() {
  return secure_getenv("GPT2RUN_DEBUG") ? spdlog::level::debug : spdlog::level::info;
}

std::string& program() {
  static std::string name = "gpt2run";
  return name;
}

// The logger is never destroyed, because a plugin's thread may still log while the process ends.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto* created = new spdlog::logger("gpt2run", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_pattern(program() + ": %v");
    created->set_level(normal_level());
    // Without it spdlog catches what is thrown, such as bad_alloc, and prints a line of its own.
    created->set_error_handler([](const std::string&) { throw; });
    return created;
  }();
  return *instance;
}

// status_shown: whether a status line is on the terminal, which the next output must replace.
std::mutex status_lock;
bool status_shown = false;
bool silent = false;

void write_status(const std::string& text) {
  const std::string bytes = "\r\x1b[K" + text;  // back to the beginning of the line, which is cleared
  // An error is ignored here; if the terminal is gone, the next message finds out.
  [[maybe_unused]] const auto written = write(STDERR_FILENO, bytes.data(), bytes.size());
  status_shown = !text.empty();
}

// The text with words that no reader would want whole cut to their first letters. Paths are shorter.
std::string with_short_words(std::string_view text) {
  constexpr size_t kLongest = 1000, kKept = 60;
  std::string line;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const bool is_long = end > kLongest;
    line.append(text.substr(0, is_long ? kKept : end));
    if (is_long) line.append(text[end - 1] == ':' ? "...:" : "...");
    text.remove_prefix(end);
    const size_t next = std::min(text.find_first_not_of(' '), text.size());
    line.append(text.substr(0, next));
    text.remove_prefix(next);
  }
  return line;
}

// Never destroyed either.
LogReceiver& receiver() {
  static auto* const instance = new LogReceiver;
  return *instance;
}

LogWriter& writer() {
  static auto* const instance = new LogWriter;
  return *instance;
}

int number_of(spdlog::level::level_enum level) { return static_cast<int>(level) - SPDLOG_LEVEL_DEBUG; }

bool show_once = false;
std::set<std::string, std::less<>> shown_before;

void log_line(spdlog::level::level_enum level, const char* prefix, std::string_view message) {
  const std::lock_guard lock(status_lock);
  if (receiver()) return receiver()(number_of(level), printable(with_short_words(message)));
  if (!logger().should_log(level)) return;
  if (show_once && !shown_before.emplace(message).second) return;
  if (writer()) return writer()(program() + ": " + prefix + printable(with_short_words(message)) + "\n");
  if (status_shown) write_status("");
  logger().log(level, "{}{}", prefix, printable(with_short_words(message)));
}

}  // namespace

// A message is passed as an argument, never as a format string, because it may contain braces.
void log_debug(std::string_view message) { log_line(spdlog::level::debug, "", message); }
void log_info(std::string_view message) { log_line(spdlog::level::info, "", message); }
void log_warning(std::string_view message) { log_line(spdlog::level::warn, "warning: ", message); }
void log_error(std::string_view message) { log_line(spdlog::level::err, "error: ", message); }

void log_status(std::string_view line) {
  const std::lock_guard lock(status_lock);
  if (status_shown || !line.empty()) write_status(printable(line));
}

void set_program(const std::string& name) {
  program() = name;
  logger().set_pattern(name + ": %v");
}

const std::string& program_name() { return program(); }

void set_log_receiver(LogReceiver one) {
  const std::lock_guard lock(status_lock);
  receiver() = std::move(one);
}

void set_log_writer(LogWriter one) {
  const std::lock_guard lock(status_lock);
  writer() = std::move(one);
}

void set_once(bool once) {
  const std::lock_guard lock(status_lock);
  show_once = once;
  shown_before.clear();
}

void set_quiet(bool quiet) {
  if (!silent) logger().set_level(quiet ? spdlog::level::warn : normal_level());
}

void set_silent(bool now) {
  if (std::exchange(silent, now) != now) logger().set_level(now ? spdlog::level::off : spdlog::level::warn);
}

}  // namespace gpt2run
