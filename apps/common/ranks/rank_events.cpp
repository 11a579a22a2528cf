// An event is one byte for its kind, followed by its values. A text is preceded by its length.
#include "common/ranks/rank_events.hpp"

#include <cstring>
#include <vector>

#include "common/ranks/rank_bytes.hpp"

namespace gpt2run {
namespace {

enum class Event : uint8_t { start, token, step, finish, summary };

// logits: a buffer for the token's logits, which are not aligned for floats in the message.
void read_token(std::string_view& bytes, std::vector<float>& logits, EventReceiver& receiver) {
  TokenEvent event{};
  event.sequence = read_value<uint64_t>(bytes);
  event.step = read_value<int32_t>(bytes);
  event.position = read_value<int32_t>(bytes);
  event.id = read_value<int32_t>(bytes);
  event.logprob = read_value<float>(bytes);
  event.vocab = read_value<int32_t>(bytes);
  event.text = read_string(bytes);
  if (read_value<bool>(bytes)) {
    logits.resize(static_cast<size_t>(event.vocab));
    const size_t size = logits.size() * sizeof(float);
    std::memcpy(logits.data(), read_bytes(bytes, size).data(), size);
    event.logits = logits.data();
  }
  receiver.token(event);
}

}  // namespace

void EventWriter::start(uint64_t sequence) {
  append_value(bytes_, Event::start);
  append_value(bytes_, sequence);
}

void EventWriter::token(const TokenEvent& event) {
  append_value(bytes_, Event::token);
  append_value(bytes_, event.sequence);
  append_value(bytes_, event.step), append_value(bytes_, event.position), append_value(bytes_, event.id);
  append_value(bytes_, event.logprob);
  append_value(bytes_, event.vocab);
  append_text(bytes_, event.text);
  append_value(bytes_, event.logits != nullptr);
  if (event.logits)
    bytes_.append(reinterpret_cast<const char*>(event.logits), static_cast<size_t>(event.vocab) * sizeof(float));
}

void EventWriter::step(const StepEvent& event) {
  append_value(bytes_, Event::step);
  append_value(bytes_, event);
}

void EventWriter::finish(uint64_t sequence, std::string_view tail, std::string_view reason) {
  append_value(bytes_, Event::finish);
  append_value(bytes_, sequence);
  append_text(bytes_, tail), append_text(bytes_, reason);
}

void EventWriter::summary(const Summary& summary) {
  append_value(bytes_, Event::summary);
  append_value(bytes_, summary);
}

void read_events(std::string_view bytes, EventReceiver& receiver) {
  std::vector<float> logits;
  while (!bytes.empty()) {
    switch (read_value<Event>(bytes)) {
      case Event::start:
        receiver.start(read_value<uint64_t>(bytes));
        break;
      case Event::token:
        read_token(bytes, logits, receiver);
        break;
      case Event::step:
        receiver.step(read_value<StepEvent>(bytes));
        break;
      case Event::finish: {
        const auto sequence = read_value<uint64_t>(bytes);
        const std::string_view tail = read_string(bytes), reason = read_string(bytes);
        receiver.finish(sequence, tail, reason);
        break;
      }
      case Event::summary:
        receiver.summary(read_value<Summary>(bytes));
        break;
      default:
        fail("a message of another rank holds no event");
    }
  }
}

}  // namespace gpt2run
