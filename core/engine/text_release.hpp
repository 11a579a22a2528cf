// Decides which bytes of a growing text may be shown: never a part of a UTF-8 sequence that may still be completed,
// never the beginning of a stop string. Bytes that can never become UTF-8 pass through as they are.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace gpt2run {

class TextRelease {
 public:
  // stops: non-empty strings, alive as long as this object.
  explicit TextRelease(std::span<const std::string> stops) : stops_(stops) {}

  // Appends a token's bytes and returns what may be shown now. After a stop string all later text is dropped.
  std::string push(std::string_view bytes);

  bool stopped() const { return stopped_; }

  // What is still held back: for the end of a sequence.
  std::string take_tail();

 private:
  size_t held_back() const;

  std::span<const std::string> stops_;
  std::string pending_;
  bool stopped_ = false;
};

}  // namespace gpt2run
