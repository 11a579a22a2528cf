#include "text_release.hpp"

#include <algorithm>
#include <utility>

namespace gpt2run {
namespace {

// The length of an unfinished UTF-8 character at the end of the text, or 0 if there is none.
size_t incomplete_utf8(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto lead = static_cast<unsigned char>(text[text.size() - back]);
    if ((lead & 0xc0) == 0x80) continue;
    const size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                          : (lead & 0xf0) == 0xe0        ? 3
                          : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                         : 1;
    return length > back ? back : 0;
  }
  return 0;
}

// The length of the longest suffix of text that is a proper prefix of the stop string.
size_t begun(std::string_view text, std::string_view stop) {
  for (size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == stop.substr(0, length)) return length;
  }
  return 0;
}

}  // namespace

size_t TextRelease::held_back() const {
  size_t held = incomplete_utf8(pending_);
  for (const std::string& stop : stops_) held = std::max(held, begun(pending_, stop));
  return held;
}

std::string TextRelease::push(std::string_view bytes) {
  if (stopped_) return {};
  pending_ += bytes;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, pending_.find(stop));
  stopped_ = first != std::string::npos;
  if (stopped_) pending_.resize(first);
  std::string released = pending_.substr(0, stopped_ ? first : pending_.size() - held_back());
  pending_.erase(0, released.size());
  return released;
}

std::string TextRelease::take_tail() { return std::exchange(pending_, {}); }

}  // namespace gpt2run
