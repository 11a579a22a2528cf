// Pages: HTML documents that a sink writes, which need no other file and ask no one for anything.
#pragma once
#include <string>
#include <string_view>

#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {

// A document in two parts: what stands before the data, and what stands behind it.
struct PageParts {
  std::string_view head, tail;
};

// document: as page/join.cmake makes it, with the mark @DATA@ where the data belong.
inline PageParts parts_of(std::string_view document) {
  constexpr std::string_view kMark = "@DATA@";
  const size_t at = document.find(kMark);
  return {document.substr(0, at), document.substr(at + kMark.size())};
}

// JSON as a part of a page. No text in it can end the element, because the browser never sees a '<' there.
inline std::string page_data(std::string_view json) {
  std::string element = "<script type=\"application/json\" class=\"data\">";
  for (const char c : json) c == '<' ? element.append("\\u003c") : element.append(1, c);
  return element + "</script>\n";
}

}  // namespace gpt2run
