// What sinks are told, as bytes between ranks of one program on machines of one kind: the values as they lie in memory,
// one event after another.
#pragma once
#include <string>
#include <utility>

#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// Appends events to bytes; those of a summary stand last.
class EventWriter {
 public:
  void start(uint64_t sequence);
  void token(const TokenEvent& event);
  void pass(const PassEvent& event);
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason);
  void summary(const Summary& summary);

  size_t size() const { return bytes_.size(); }
  std::string take() { return std::exchange(bytes_, {}); }

 private:
  std::string bytes_;
};

// Calls the receiver for every event of `bytes`. The vocabulary of tokens is null. Throws Error where bytes are none of
// EventWriter's.
struct EventReceiver {
  virtual void start(uint64_t sequence) = 0;
  virtual void token(const TokenEvent& event) = 0;
  virtual void pass(const PassEvent& event) = 0;
  virtual void finish(uint64_t sequence, std::string_view tail, std::string_view reason) = 0;
  virtual void summary(const Summary& summary) = 0;

 protected:
  ~EventReceiver() = default;
};
void read_events(std::string_view bytes, EventReceiver& receiver);

}  // namespace gpt2run
