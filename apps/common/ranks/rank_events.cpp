// Each event is a byte that tells its kind, then its values; texts have their length before them.
#include "common/ranks/rank_events.hpp"

#include <cstring>
#include <type_traits>
#include <vector>

namespace gpt2run {
namespace {

enum class Event : uint8_t { start, token, pass, finish, summary };

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool done() const { return bytes_.empty(); }

  std::string_view bytes(size_t count) {
    if (count > bytes_.size()) fail("a message of another rank ends within an event");
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  template <class Value>
  Value take() {
    Value value;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view text() { return bytes(take<uint32_t>()); }

 private:
  std::string_view bytes_;
};

// logits: room for those of a token, which lie in the bytes where no float may be read.
void read_token(Reader& reader, std::vector<float>& logits, EventReceiver& receiver) {
  TokenEvent event{};
  event.sequence = reader.take<uint64_t>();
  event.step = reader.take<int32_t>();
  event.position = reader.take<int32_t>();
  event.id = reader.take<int32_t>();
  event.logprob = reader.take<float>();
  event.vocab = reader.take<int32_t>();
  event.text = reader.text();
  if (reader.take<bool>()) {
    logits.resize(static_cast<size_t>(event.vocab));
    const size_t size = logits.size() * sizeof(float);
    std::memcpy(logits.data(), reader.bytes(size).data(), size);
    event.logits = logits.data();
  }
  receiver.token(event);
}

}  // namespace

template <class Value>
void EventWriter::add(const Value& value) {
  static_assert(std::is_trivially_copyable_v<Value>);
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void EventWriter::add_text(std::string_view text) {
  add(static_cast<uint32_t>(text.size()));
  bytes_.append(text);
}

void EventWriter::start(uint64_t sequence) {
  add(Event::start);
  add(sequence);
}

void EventWriter::token(const TokenEvent& event) {
  add(Event::token);
  add(event.sequence);
  add(event.step), add(event.position), add(event.id);
  add(event.logprob);
  add(event.vocab);
  add_text(event.text);
  add(event.logits != nullptr);
  if (event.logits)
    bytes_.append(reinterpret_cast<const char*>(event.logits), static_cast<size_t>(event.vocab) * sizeof(float));
}

void EventWriter::pass(const PassEvent& event) {
  add(Event::pass);
  add(event);
}

void EventWriter::finish(uint64_t sequence, std::string_view tail, std::string_view reason) {
  add(Event::finish);
  add(sequence);
  add_text(tail), add_text(reason);
}

void EventWriter::summary(const Summary& summary) {
  add(Event::summary);
  add(summary);
}

void read_events(std::string_view bytes, EventReceiver& receiver) {
  std::vector<float> logits;
  for (Reader reader(bytes); !reader.done();) {
    switch (reader.take<Event>()) {
      case Event::start:
        receiver.start(reader.take<uint64_t>());
        break;
      case Event::token:
        read_token(reader, logits, receiver);
        break;
      case Event::pass:
        receiver.pass(reader.take<PassEvent>());
        break;
      case Event::finish: {
        const auto sequence = reader.take<uint64_t>();
        const std::string_view tail = reader.text(), reason = reader.text();
        receiver.finish(sequence, tail, reason);
        break;
      }
      case Event::summary:
        receiver.summary(reader.take<Summary>());
        break;
      default:
        fail("a message of another rank holds no event");
    }
  }
}

}  // namespace gpt2run
