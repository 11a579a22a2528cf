// The encoder. Special tokens are cut out of the text, GPT-2's pattern splits the rest into pieces, and each piece
// becomes tokens: by one lookup if the whole piece is a token (nine of ten in plain English), else by merging its
// bytes.
#include "bpe.hpp"

#include <utility>

#include "gpt2run/error.hpp"
#include "merge.hpp"
#include "split.hpp"

namespace gpt2run {
namespace {

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeModel vocabulary)
      : vocabulary_(std::move(vocabulary)),
        merger_(vocabulary_.byte_ids, vocabulary_.merges.size()),
        whole_(vocabulary_.pieces.size()) {
    for (const Merge& merge : std::exchange(vocabulary_.merges, {})) merger_.add(merge);
    index_whole_pieces();
  }

  std::vector<int32_t> encode(std::string_view text, bool special) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size() / 4 + 1);
    Merger::Scratch scratch;
    if (special) {
      encode_special(text, scratch, ids);
    } else {
      encode_plain(text, scratch, ids);
    }
    return ids;
  }

  std::string_view piece(int32_t id) const override {
    if (id < 0 || id >= size()) fail("token id: expected 0 to ", size() - 1, ", found ", id);
    return vocabulary_.pieces[static_cast<size_t>(id)];
  }

  int32_t size() const override { return static_cast<int32_t>(vocabulary_.pieces.size()); }
  int32_t end_of_text() const override { return vocabulary_.end_of_text; }

 private:
  // Indexes the tokens that merging their own bytes produces. Others (an added token, say) must not be found by lookup.
  void index_whole_pieces() {
    Merger::Scratch scratch;
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < size(); ++id) {
      const std::string_view bytes = piece(id);
      ids.clear();
      merger_.merge(bytes, scratch, ids);
      if (ids.size() == 1 && ids[0] == id) whole_.add(hash_of(bytes), id);
    }
  }

  // Cuts at the leftmost special token, and at the longest if several begin there.
  void encode_special(std::string_view text, Merger::Scratch& scratch, std::vector<int32_t>& ids) const {
    std::vector<size_t> found(vocabulary_.special.size(), 0);
    for (size_t i = 0; i < found.size(); ++i) found[i] = text.find(piece(vocabulary_.special[i]));
    size_t begin = 0;
    while (true) {
      size_t first = std::string_view::npos;
      int32_t best = -1;
      for (size_t i = 0; i < found.size(); ++i) {
        const int32_t id = vocabulary_.special[i];
        if (found[i] < begin) found[i] = text.find(piece(id), begin);
        if (found[i] == std::string_view::npos || found[i] > first) continue;
        if (found[i] < first || piece(id).size() > piece(best).size()) best = id;
        first = found[i];
      }
      if (best < 0) break;
      encode_plain(text.substr(begin, first - begin), scratch, ids);
      ids.push_back(best);
      begin = first + piece(best).size();
    }
    encode_plain(text.substr(begin), scratch, ids);
  }

  void encode_plain(std::string_view text, Merger::Scratch& scratch, std::vector<int32_t>& ids) const {
    while (!text.empty()) {
      const std::string_view part = text.substr(0, first_piece(text));
      text.remove_prefix(part.size());
      const int32_t whole = whole_.find(hash_of(part), [&](int32_t id) { return vocabulary_.pieces[id] == part; });
      if (whole >= 0) {
        ids.push_back(whole);
      } else {
        merger_.merge(part, scratch, ids);
      }
    }
  }

  BpeModel vocabulary_;  // its merges have moved to merger_
  Merger merger_;
  HashIndex whole_;  // from the bytes of whole pieces to ids
};

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeModel vocabulary) {
  return std::make_unique<BpeTokenizer>(std::move(vocabulary));
}

}  // namespace gpt2run
