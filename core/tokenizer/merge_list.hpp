// MergeList: the merges of a tokenizer file as it spells them, "left right" with a blank between, turned into ids.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bpe_model.hpp"

namespace gpt2run {

// From tokens as the file spells them to ids.
using TokenIds = std::unordered_map<std::string, int32_t>;

class MergeList {
 public:
  // ids: outlives this. vocabulary: where the tokens stand, for messages. unit: what a merge is called there, "line".
  MergeList(const TokenIds& ids, const char* vocabulary, const char* unit)
      : ids_(ids), vocabulary_(vocabulary), unit_(unit) {}

  // Adds the merge of the next rank. where, number: the file with the place in it, and the place's number. Throws Error
  // for a merge of unknown tokens, and for one that was there before.
  void add(const std::string& where, size_t number, std::string_view line);
  void add(const std::string& where, size_t number, const std::string& left, const std::string& right);

  // The merges. path: the file, for messages. Throws Error for too many, and where a vocabulary of longer tokens has
  // none at all: every text would become single bytes.
  std::vector<Merge> finish(const std::string& path, const BpeModel& vocabulary);

 private:
  int32_t id_of(const std::string& where, const std::string& token) const;

  const TokenIds& ids_;
  const char *vocabulary_, *unit_;
  std::vector<Merge> merges_;
  std::unordered_map<uint64_t, size_t> numbers_;  // from pairs of ids to where they stand
};

}  // namespace gpt2run
