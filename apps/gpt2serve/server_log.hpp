// ServerLog: writes the log by a thread of its own, so that nobody waits for a reader of standard error that is slow or
// has stopped. Where more lines wait than memory is set aside for, the new ones are dropped, and a line says how many.
#pragma once
#include <memory>

namespace gpt2run {

// One at a time.
class ServerLog {
 public:
  ServerLog();   // from now on all lines of the log go through this object
  ~ServerLog();  // waits for what is to be written, but not longer than a second
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

 private:
  struct Lines;
  const std::shared_ptr<Lines> lines_;  // also owned by the thread, which cannot be ended while nobody reads
};

}  // namespace gpt2run
