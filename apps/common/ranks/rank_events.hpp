// Serialisation of sink events, for sending them from one rank to another. The bytes are the values as they lie in
// memory, so all ranks must run the same build on the same architecture.
#pragma once
#include <string>
#include <utility>

#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// Appends events to a buffer. The summary is the last event of a rank.
class EventWriter {
 public:
  void start(uint64_t sequence);
  void token(const TokenEvent& event);
  void step(const StepEvent& event);
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason);
  void summary(const Summary& summary);

  size_t size() const { return bytes_.size(); }
  // Returns the events so far, and starts an empty buffer.
  std::string take() { return std::exchange(bytes_, {}); }

 private:
  std::string bytes_;
};

// The receiver of deserialised events. TokenEvent::vocabulary is null.
struct EventReceiver {
  virtual void start(uint64_t sequence) = 0;
  virtual void token(const TokenEvent& event) = 0;
  virtual void step(const StepEvent& event) = 0;
  virtual void finish(uint64_t sequence, std::string_view tail, std::string_view reason) = 0;
  virtual void summary(const Summary& summary) = 0;

 protected:
  ~EventReceiver() = default;
};
// Calls the receiver for every event in `bytes`, in order. Throws Error when they were not written by an EventWriter.
void read_events(std::string_view bytes, EventReceiver& receiver);

}  // namespace gpt2run
