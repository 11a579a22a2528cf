// TextRelease: decides which bytes of a growing text may be shown. It holds back an unfinished UTF-8 character, and
// anything that may turn out to be a stop string. Bytes that cannot become valid UTF-8 pass through unchanged.
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

  // Returns what is still held back, at the end of a sequence.
  std::string take_tail();

 private:
  size_t held_back() const;

  std::span<const std::string> stops_;
  std::string pending_;
  bool stopped_ = false;
};

}  // namespace gpt2run
