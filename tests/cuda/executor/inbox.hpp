// Inbox: what blocks of the cluster send to a block's shared memory. The values are written there only when the block
// has waited for all of them, so that what is read too early is NaN.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpt2run::executor {

class Inbox {
 public:
  // Closes the inbox, with room for so many values. Memory is taken here and nowhere else.
  void clear(size_t most_values);
  // The following return what is wrong, or nullptr. at: the inbox's address in the block's shared memory. sync_address:
  // what a sanitizer knows the inbox by.
  const char* open(const void* at, int bytes, void* sync_address);
  const char* check(const void* at) const;  // that this is the inbox, and open
  const char* put(void* to, float value);   // fills the place with NaN until the values are delivered
  const char* end() const;                  // when the block ends

  bool is_complete() const { return left_ == 0; }
  void deliver();  // once all have come; does nothing when called again
  void* sync_address() const { return sync_address_; }

 private:
  struct Value {
    void* to;
    float value;
  };
  const void* at_ = nullptr;
  int64_t left_ = 0;
  bool delivered_ = false;
  void* sync_address_ = nullptr;
  std::vector<Value> values_;
};

}  // namespace gpt2run::executor
