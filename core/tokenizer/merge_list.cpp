#include "merge_list.hpp"

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {

void MergeList::add(const std::string& where, size_t number, std::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == 0 || blank == line.npos || blank + 1 == line.size() || line.find(' ', blank + 1) != line.npos)
    fail(where, ": expected two tokens with a blank between them, found ", in_quotes(line));
  add(where, number, std::string(line.substr(0, blank)), std::string(line.substr(blank + 1)));
}

void MergeList::add(const std::string& where, size_t number, const std::string& left, const std::string& right) {
  const Merge merge = {id_of(where, left), id_of(where, right), id_of(where, left + right)};
  const uint64_t pair = static_cast<uint64_t>(merge.left) << 32 | static_cast<uint32_t>(merge.right);
  if (const auto [known, added] = numbers_.emplace(pair, number); !added)
    fail(where, ": expected every merge once, found the one of ", unit_, " ", known->second, " again");
  merges_.push_back(merge);
}

std::vector<Merge> MergeList::finish(const std::string& path, const BpeModel& vocabulary) {
  for (size_t id = 0; merges_.empty() && id < vocabulary.pieces.size(); ++id) {
    if (vocabulary.pieces[id].size() <= 1 || is_special(vocabulary, static_cast<int32_t>(id))) continue;
    fail(path, ": expected the merge of token ", id, " (", in_quotes(vocabulary.pieces[id]),
         "), found no merges at all");
  }
  constexpr size_t kMostMerges = size_t{1} << 24;
  if (merges_.size() >= kMostMerges)
    fail(path, ": expected fewer than ", kMostMerges, " merges, found ", merges_.size());
  return std::move(merges_);
}

int32_t MergeList::id_of(const std::string& where, const std::string& token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) fail(where, ": expected tokens of ", vocabulary_, ", found ", in_quotes(token));
  return found->second;
}

}  // namespace gpt2run
