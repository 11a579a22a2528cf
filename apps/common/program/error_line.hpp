// The line of an error where nothing may be allocated: in a signal's handler, or once memory has run out.
#pragma once
#include <unistd.h>

#include <cstring>
#include <initializer_list>

namespace gpt2run {

// Writes "PROGRAM: error: TEXT", or with ", in WHERE" behind it unless that is null, to standard error in one piece, so
// that no line of another thread gets into it. What is beyond 500 bytes is cut. Safe in signal handlers.
inline void write_error_line(const char* program, const char* text, const char* where = nullptr) noexcept {
  char line[502];
  size_t size = 0;
  for (const char* part : {program, ": error: ", text, where ? ", in " : "", where ? where : ""}) {
    const size_t wanted = std::strlen(part), room = sizeof line - 1 - size;
    const size_t taken = wanted < room ? wanted : room;
    std::memcpy(line + size, part, taken);
    size += taken;
  }
  line[size++] = '\n';
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line, size);
}

}  // namespace gpt2run
