// The encoder. Special tokens are cut out of the text, GPT-2's pattern splits the rest into pieces, and each piece
// becomes tokens: by one lookup if the whole piece is a token (nine of ten in plain English), else by merging its
// bytes.
#include "bpe.hpp"

#include <algorithm>
#include <utility>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "merge.hpp"
#include "split.hpp"

namespace gpt2run {
namespace {

// The special tokens that are looked for in the given text, or those that are looked for in the normalized one.
AddedTokens special_tokens(const BpeModel& model, bool normalized) {
  std::vector<AddedToken> tokens;
  for (const auto& [id, settings] : model.special)
    if (settings.normalized == normalized) tokens.push_back({model.pieces[static_cast<size_t>(id)], id, settings});
  return AddedTokens(std::move(tokens));
}

std::array<int32_t, 256> ids_of_bytes(const BpeModel& model) {
  std::array<int32_t, 256> ids = model.byte_ids;
  std::replace(ids.begin(), ids.end(), -1, model.unknown);
  return ids;
}

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeModel model)
      : model_(std::move(model)),
        lacks_bytes_(std::count(model_.byte_ids.begin(), model_.byte_ids.end(), -1) > 0),
        special_(special_tokens(model_, false)),
        normalized_special_(special_tokens(model_, true)),
        merger_(ids_of_bytes(model_), model_.merges.size()),
        whole_(model_.pieces.size()) {
    for (const Merge& merge : std::exchange(model_.merges, {})) merger_.add(merge);
    index_whole_pieces();
  }

  std::vector<int32_t> encode(std::string_view text, bool special) const override {
    std::vector<int32_t> ids = model_.beginning;
    ids.reserve(ids.size() + text.size() / 4 + 1);
    Merger::Scratch scratch;
    const auto add = [&](int32_t id) { ids.push_back(id); };
    const auto plain = [&](size_t begin, size_t end) {
      encode_plain(text.substr(begin, end - begin), static_cast<int64_t>(begin), scratch, ids);
    };
    if (!special) {
      plain(0, text.size());
    } else {
      special_.split(
          text,
          [&](size_t begin, size_t end) {
            normalized_special_.split(
                text.substr(begin, end - begin), [&](size_t b, size_t e) { plain(begin + b, begin + e); }, add);
          },
          add);
    }
    return ids;
  }

  std::string_view piece(int32_t id) const override {
    if (id < 0 || id >= size()) fail("token id: expected 0 to ", size() - 1, ", found ", id);
    return model_.pieces[static_cast<size_t>(id)];
  }

  int32_t size() const override { return static_cast<int32_t>(model_.pieces.size()); }
  int32_t ordinary_size() const override { return gpt2run::ordinary_size(model_.pieces, model_.special); }
  int32_t end_of_text() const override { return model_.end_of_text; }
  std::vector<std::string> warnings() const override { return model_.warnings; }

 private:
  // Indexes the tokens that merging their own bytes produces. Others (an added token, say) must not be found by lookup,
  // unless merges are ignored.
  void index_whole_pieces() {
    Merger::Scratch scratch;
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < size(); ++id) {
      const std::string_view bytes = piece(id);
      if (bytes.empty()) continue;
      ids.clear();
      merger_.merge(bytes, scratch, ids);
      const bool is_merged = ids.size() == 1 && ids[0] == id;
      const bool is_looked_up = model_.ignore_merges && !is_special(model_, id) && find_whole(bytes) < 0;
      if (is_merged || is_looked_up) whole_.add(hash_of(bytes), id);
    }
  }

  int32_t find_whole(std::string_view bytes) const {
    return whole_.find(hash_of(bytes), [&](int32_t id) { return model_.pieces[static_cast<size_t>(id)] == bytes; });
  }

  // at: where the text stands in the one that is encoded, for messages.
  void encode_plain(std::string_view text, int64_t at, Merger::Scratch& scratch, std::vector<int32_t>& ids) const {
    if (text.empty()) return;
    std::string longer;
    if (model_.add_prefix_space && text[0] != ' ') {
      text = longer.append(" ").append(text);
      --at;
    }
    while (!text.empty()) {
      const std::string_view part = text.substr(0, model_.use_pattern ? first_piece(text) : text.size());
      text.remove_prefix(part.size());
      const int32_t whole = find_whole(part);
      if (whole >= 0) {
        ids.push_back(whole);
      } else if (lacks_bytes_) {
        merger_.merge(known(part, at), scratch, ids);
      } else {
        merger_.merge(part, scratch, ids);
      }
      at += static_cast<int64_t>(part.size());
    }
  }

  // The piece for the merger, which makes an unknown token of each byte without one. Throws Error if there is none.
  std::string known(std::string_view piece, int64_t at) const {
    std::string bytes;
    bool was_known = true;
    for (const char c : piece) {
      const auto byte = static_cast<uint8_t>(c);
      const bool is_known = model_.byte_ids[byte] >= 0;
      if (!is_known && model_.unknown < 0)
        fail("the text: expected bytes that the tokenizer has, found none of its tokens for byte ", int{byte}, " (",
             in_quotes({&c, 1}), ") at position ", std::max<int64_t>(at, 0));
      if (is_known || was_known || !model_.fuse_unknown) bytes += c;
      was_known = is_known;
      ++at;
    }
    return bytes;
  }

  BpeModel model_;  // its merges have moved to merger_
  bool lacks_bytes_;
  AddedTokens special_, normalized_special_;
  Merger merger_;
  HashIndex whole_;  // from the bytes of whole pieces to ids
};

}  // namespace

bool is_special(const BpeModel& model, int32_t id) {
  const auto found = std::lower_bound(model.special.begin(), model.special.end(), id,
                                      [](const SpecialToken& token, int32_t wanted) { return token.id < wanted; });
  return found != model.special.end() && found->id == id;
}

int32_t ordinary_size(const std::vector<std::string>& tokens, const std::vector<SpecialToken>& special) {
  auto size = static_cast<int32_t>(tokens.size());
  for (auto last = special.rbegin(); size > 0; --size) {
    const bool is_added = last != special.rend() && last->id == size - 1;
    if (!is_added && !tokens[static_cast<size_t>(size - 1)].empty()) break;
    if (is_added) ++last;
  }
  return size;
}

std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeModel model) {
  return std::make_unique<BpeTokenizer>(std::move(model));
}

}  // namespace gpt2run
