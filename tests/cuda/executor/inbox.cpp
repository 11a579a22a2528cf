#include "inbox.hpp"

#include <cstring>

namespace gpt2run::executor {

void Inbox::clear(size_t most_values) {
  at_ = nullptr, left_ = 0, delivered_ = false;
  values_.clear();
  values_.reserve(most_values);
}

const char* Inbox::open(const void* at, int bytes, void* sync_address) {
  if (at_) return "opens a second inbox";
  if (bytes <= 0) return "opens an inbox for no bytes";
  at_ = at, left_ = bytes, sync_address_ = sync_address;
  return nullptr;
}

const char* Inbox::check(const void* at) const {
  return at_ && at_ == at ? nullptr : "names an inbox that is not open";
}

const char* Inbox::put(void* to, float value) {
  left_ -= sizeof value;
  if (left_ < 0 || values_.size() == values_.capacity()) return "sends more than the inbox was opened for";
  values_.push_back({to, value});
  std::memset(to, 0xFF, sizeof value);
  return nullptr;
}

const char* Inbox::end() const {
  return at_ && !delivered_ ? "ended, but its block did not wait for what it is sent" : nullptr;
}

void Inbox::deliver() {
  if (delivered_) return;
  delivered_ = true;
  for (const Value& one : values_) std::memcpy(one.to, &one.value, sizeof one.value);
}

}  // namespace gpt2run::executor
