// nanoGPT's meta.pkl: characters by their ids, and one line for each file that is none.
#include <gtest/gtest.h>

#include <functional>

#include "gpt2run/tokenizer/tokenizer.hpp"
#include "loaders/torch_writer.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"

namespace gpt2run::test {
namespace {

using Ids = std::vector<int32_t>;
using Table = std::vector<std::pair<int64_t, std::string>>;

// What Python 3.11 writes: pickle.dumps({"vocab_size": 4, "itos": itos, "stoi": stoi}) of the characters "\n a\u00e9".
constexpr std::string_view kByPython(
    "\x80\x04\x95S\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\nvocab_size\x94K\x04\x8c\x04itos\x94}\x94(K\x00\x8c\x01\n\x94"
    "K\x01\x8c\x01 \x94K\x02\x8c\x01"
    "a\x94K\x03\x8c\x02\xc3\xa9\x94u\x8c\x04stoi\x94}\x94(h\x04K\x00h\x05K\x01h\x06K\x02h\x07K\x03uu.",
    94);

Pickler& add_itos(Pickler& pickler, const Table& table) {
  pickler.text("itos").op("}(");
  for (const auto& [id, text] : table) pickler.integer(id).text(text);
  return pickler.op("u");
}

Pickler& add_stoi(Pickler& pickler, const Table& table) {
  pickler.text("stoi").op("}(");
  for (const auto& [id, text] : table) pickler.text(text).integer(id);
  return pickler.op("u");
}

std::string itos(const Table& table) {
  Pickler pickler;
  return add_itos(pickler.op("}("), table).op("u").done();
}

std::string both(const Table& characters, const Table& ids) {
  Pickler pickler;
  add_itos(pickler.op("}("), characters);
  return add_stoi(pickler, ids).op("u").done();
}

class MetaPkl : public testing::Test {
 protected:
  std::unique_ptr<Tokenizer> open(std::string_view bytes) const {
    folder_.file("meta.pkl", std::string(bytes));
    return Tokenizer::open(folder_.path().string());
  }

  // A tokenizer that is not read, so that the model can be used without it.
  void expect_unread(const std::string& bytes, Words words) const {
    words.push_back((folder_.path() / "meta.pkl").string() + ":");
    try {
      open(bytes);
      ADD_FAILURE() << "it was read";
    } catch (const UnreadTokenizer& error) {
      EXPECT_THAT(error.what(), IsMessage(words));
    }
  }

  const ScratchFolder folder_;
};

TEST_F(MetaPkl, CharactersAndTheirIds) {
  const auto tokenizer = open(kByPython);
  EXPECT_EQ(tokenizer->size(), 4);
  EXPECT_EQ(tokenizer->end_of_text(), -1);
  EXPECT_EQ(tokenizer->encode("a \u00e9\n\u00e9"), (Ids{2, 1, 3, 0, 3}));
  EXPECT_EQ(tokenizer->encode(""), Ids());
  EXPECT_EQ(tokenizer->decode(Ids{3, 0, 2}), "\u00e9\na");
  EXPECT_THAT(error_of([&] { tokenizer->piece(4); }), IsMessage("token id", "3", "4"));
  EXPECT_EQ(Tokenizer::open((folder_.path() / "meta.pkl").string())->encode("a"), Ids{2});
}

TEST_F(MetaPkl, OneTableIsEnough) {
  const auto tokenizer = open(itos({{2, "\U0001f600"}, {0, "x"}}));
  EXPECT_EQ(tokenizer->size(), 3);
  EXPECT_EQ(tokenizer->piece(1), "");
  EXPECT_EQ(tokenizer->encode("x\U0001f600"), (Ids{0, 2}));
  Pickler pickler;
  EXPECT_EQ(open(add_stoi(pickler.op("}("), {{1, "y"}, {0, "x"}}).op("u").done())->encode("xy"), (Ids{0, 1}));
  EXPECT_EQ(open(Pickler().op("}").text("itos").op("](").text("x").text("y").op("es").done())->encode("y"), Ids{1});
}

TEST_F(MetaPkl, TheFirstCharacterWithoutAnIdIsNamed) {
  const auto tokenizer = open(kByPython);
  EXPECT_THAT(error_of([&] { tokenizer->encode("\u00e9a\u00dfz"); }), IsMessage("\"\u00df\"", "byte 4"));
  EXPECT_THAT(error_of([&] { tokenizer->encode("\xc3"); }), IsMessage("\"\\xc3\"", "byte 1"));
}

TEST_F(MetaPkl, OtherContentIsNotRead) {
  expect_unread(itos({}), {"characters"});
  expect_unread(itos({{0, "ab"}}), {"itos", "id 0", "\"ab\""});
  expect_unread(itos({{0, ""}}), {"itos", "id 0", "\"\""});
  expect_unread(itos({{0, "\xed\xa0\x80"}}), {"itos", "id 0", "one character"});
  expect_unread(itos({{-1, "a"}}), {"itos", "-1"});
  expect_unread(itos({{int64_t{1} << 40, "a"}}), {"itos", "1099511627776"});
  expect_unread(itos({{0, "a"}, {1, "a"}}), {"\"a\"", "0", "1"});
  expect_unread(both({{0, "a"}}, {{1, "a"}}), {"stoi", "\"a\"", "1"});
  expect_unread(Pickler().op("}").done(), {"itos", "neither"});
  expect_unread(Pickler().op("]").done(), {"dictionary", "list"});
  expect_unread(Pickler().op("}").text("itos").text("ab").op("s").done(), {"itos", "text"});
  expect_unread(Pickler().op("}(").text("itos").op("}").integer(0).integer(7).op("su").done(),
                {"itos", "id 0", "number"});
  expect_unread(Pickler().global("os", "system").op("(").text("id").op("tR").done(), {"\"os.system\""});
  expect_unread(std::string(kByPython.substr(0, 40)), {"cut"});
  expect_unread("version https://git-lfs.github.com/spec/v1\n", {"Git LFS pointer"});
  expect_unread("", {"pickle"});
}

// Every change of a byte is read, or refused as a tokenizer that is not.
TEST_F(MetaPkl, ChangedBytesAreOneLine) {
  for (size_t i = 0; i < kByPython.size(); ++i)
    for (const int change : {1, 0x80, 0xff}) {
      std::string bytes(kByPython);
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      try {
        open(bytes)->encode("a");
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      }
    }
}

}  // namespace
}  // namespace gpt2run::test
