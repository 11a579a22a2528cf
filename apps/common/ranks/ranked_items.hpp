// Measurements on several ranks: item i of what is measured is done by rank i mod size, and rank 0 sees the results of
// all in the order of items, so that what it sums it sums as one process would.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/ranks/ranks.hpp"

namespace gpt2run {

// Called by every rank. own: the results of this rank's items, one behind the other. sizes: bytes of every item's
// results, of all ranks'. take: called at rank 0 for every item in order. Waiting ends in an Error after an interrupt.
// Throws Error naming the rank whose results have another size. Rank 0 holds the bytes of all meanwhile.
void gather_items(Ranks& ranks, std::string own, std::span<const size_t> sizes,
                  const std::function<void(size_t item, std::string_view bytes)>& take);

// ranks.gather(), which ends in an Error after an interrupt.
std::vector<std::string> gather(Ranks& ranks, std::string own);

// Values as they lie in memory: one architecture, one build.
template <class T>
void append_value(std::string& bytes, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// The first value of bytes, which loses it. Throws Error when there is none.
template <class T>
T take_value(std::string_view& bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() < sizeof(T)) fail("results of a rank: expected ", sizeof(T), " bytes, found ", bytes.size());
  T value;
  bytes.copy(reinterpret_cast<char*>(&value), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

// A text behind its length.
void append_text(std::string& bytes, std::string_view text);
std::string take_text(std::string_view& bytes);

}  // namespace gpt2run
