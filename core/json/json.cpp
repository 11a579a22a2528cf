// A SAX handler for nlohmann's parser that fills a Tree. That parser does not recurse; it keeps one bit per open
// bracket.
#include "gpt2run/json/json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gpt2run/files/wide_text.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "tree.hpp"

namespace gpt2run::json {
namespace {

using Library = nlohmann::json;

// The part of a text that is in memory, and the position of its beginning.
struct Window {
  std::string_view text;
  size_t before = 0, lines = 0, line_begin = 0;  // bytes and line ends before the part; start of the line it begins in

  void skip(size_t count) {
    const std::string_view gone = text.substr(0, count);
    lines += static_cast<size_t>(std::count(gone.begin(), gone.end(), '\n'));
    if (const size_t last = gone.rfind('\n'); last != gone.npos) line_begin = before + last + 1;
    before += count;
    text.remove_prefix(count);
  }
};

// Throws Error for a NUL byte, because the parser would stop there and ignore the rest. Text of wide characters has
// them, and is named.
void refuse_nul(const std::string& where, std::string_view text, size_t before) {
  const size_t nul = text.find('\0');
  if (const char* encoding = nul == text.npos || before > 0 ? nullptr : wide_encoding(text))
    fail(where, ": expected JSON in UTF-8, found ", wide_text_found(encoding));
  if (nul != text.npos) fail(where, ": expected JSON, found a NUL at byte ", before + nul + 1);
}

// at: the number, from 1, of the byte where the parser stopped. fault: what is wrong there, if the bytes do not show
// it.
[[noreturn]] void throw_syntax_error(const std::string& where, Window window, size_t at, const std::string& fault) {
  constexpr size_t kShown = 12;
  const size_t index = std::min(at - std::min(at, window.before + 1), window.text.size());
  std::string_view found = window.text.substr(index, kShown);
  found = found.substr(0, std::max<size_t>(1, std::min(found.find_first_of(",]} \n\r\t"), found.size())));
  window.skip(index);
  const std::string what = !fault.empty() ? fault : found.empty() ? "its end" : in_quotes(found);
  std::string reason = "expected JSON, found " + what + " at byte " + std::to_string(at) + " (line " +
                       std::to_string(window.lines + 1) + ", column " +
                       std::to_string(window.before - window.line_begin + 1) + ")";
  throw SyntaxError(where, std::move(reason), fault.empty() ? std::string(found) : "");
}

// Fills a tree with a whole text, or, with a visitor, with one element of the outermost list at a time.
class Builder {
 public:
  using Visit = std::function<void(const Value&)>;

  explicit Builder(Tree& tree, const std::string& unit = "", const Visit* visit = nullptr)
      : tree_(tree), where_(tree.where), unit_(unit), visit_(visit) {
    name_element();
  }

  // The parser's events. Returning false stops it; every other error is one of the text.
  bool null() { return add({Kind::null}); }
  bool boolean(bool value) { return add({value ? Kind::yes : Kind::no}); }
  bool number_integer(int64_t value) { return add({Kind::negative, 0, static_cast<uint64_t>(value)}); }
  bool number_unsigned(uint64_t value) { return add({Kind::natural, 0, value}); }
  bool number_float(double, const std::string& text) { return add(real_node(text)); }
  bool string(std::string& text) { return add(text_node(Kind::text, text)); }
  bool binary(const std::vector<uint8_t>&) { return false; }  // does not occur in JSON
  bool start_object(size_t) { return open(Kind::object); }

  bool key(std::string& text) {
    ++tree_.nodes[open_.back()].size;
    push(text_node(Kind::key, text));
    return true;
  }

  bool end_object() {
    if (const uint32_t twice = tree_.index_keys(open_.back()))
      fail(tree_.where, ": expected every key once, found ", in_quotes(tree_.text_of(twice)), " twice");
    return close();
  }

  bool start_array(size_t) {
    if (!visit_ || is_inside_) return open(Kind::list);
    return is_inside_ = true;
  }

  bool end_array() { return open_.empty() || close(); }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) {
    position_ = position;
    if (dynamic_cast<const nlohmann::detail::out_of_range*>(&error)) fault_ = "a number out of range";
    if (std::string_view(error.what()).find("surrogate") != std::string_view::npos) fault_ = "half of a surrogate pair";
    return false;
  }

  // Throws the error that parse_error() has recorded.
  [[noreturn]] void refuse(const Window& window) const { throw_syntax_error(tree_.where, window, position_, fault_); }

 private:
  void push(const Node& node) {
    if (tree_.nodes.size() == kMaxValues)
      fail(tree_.where, ": expected JSON of at most ", kMaxValues, " values, found more");
    tree_.nodes.push_back(node);
  }

  Node text_node(Kind kind, const std::string& text) {
    const size_t begin = tree_.text.size();
    if (text.size() > kMaxText - begin)
      fail(tree_.where, ": expected JSON of at most ", kMaxText, " bytes of text, found more");
    tree_.text += text;
    return {kind, static_cast<uint32_t>(text.size()), begin};
  }

  // nlohmann puts the locale's decimal separator into the text of a number, so this restores the point.
  Node real_node(const std::string& text) {
    const Node node = text_node(Kind::real, text);
    const size_t point = tree_.text.find_first_not_of("0123456789+-eE", node.word);
    if (point != std::string::npos) tree_.text[point] = '.';
    return node;
  }

  void append(const Node& node) {
    if (!open_.empty() && tree_.nodes[open_.back()].kind == Kind::list) ++tree_.nodes[open_.back()].size;
    push(node);
    if (visit_ && !is_inside_)
      fail(where_, ": expected a list, found ",
           node.kind == Kind::object ? "a JSON object" : Value(tree_, 0).description());
  }

  bool add(const Node& node) {
    append(node);
    return finish();
  }

  bool open(Kind kind) {
    if (open_.size() + is_inside_ == kMaxDepth)
      fail(tree_.where, ": expected JSON of at most ", kMaxDepth, " levels, found more");
    append({kind});
    open_.push_back(static_cast<uint32_t>(tree_.nodes.size() - 1));
    return true;
  }

  bool close() {
    tree_.nodes[open_.back()].word |= tree_.nodes.size();
    open_.pop_back();
    return finish();
  }

  // Called when a value is complete.
  bool finish() {
    if (!visit_ || !open_.empty()) return true;
    (*visit_)(Value(tree_, 0));
    tree_.nodes.clear(), tree_.text.clear(), tree_.slots.clear();
    ++index_;
    name_element();
    return true;
  }

  void name_element() {
    if (visit_) tree_.where = where_ + ": " + unit_ + " " + std::to_string(index_);
  }

  Tree& tree_;
  const std::string where_, unit_;
  const Visit* visit_;
  bool is_inside_ = false;      // with a visitor: inside the outermost list
  size_t index_ = 0;            // with a visitor: index of the element
  std::vector<uint32_t> open_;  // nodes of the lists and objects that are still open
  size_t position_ = 0;
  std::string fault_;
};

// The characters of a text that is read in blocks.
class BlockReader {
 public:
  BlockReader(const Source& source, const std::string& where)
      : source_(source), where_(where), block_(kBlock + 1, '\0') {}

  bool is_at_end() { return at_ == window_.text.size() && !refill(); }
  char front() const { return window_.text[at_]; }
  void advance() { ++at_; }

  // The window at the byte where the parser stopped, with a few more bytes for the message.
  const Window& looked_ahead() {
    constexpr size_t kAhead = 16;
    const size_t size = window_.text.size();
    block_.resize(size + kAhead);
    size_t more = 0;
    while (const size_t count = more < kAhead ? source_(block_.data() + size + more, kAhead - more) : 0) more += count;
    window_.text = {block_.data(), size + more};
    return window_;
  }

 private:
  // Reads the next block. The last byte is kept, because the parser may step back by one.
  bool refill() {
    if (window_.text.size() > 1) window_.skip(window_.text.size() - 1);
    const size_t kept = window_.text.copy(block_.data(), 1);
    const size_t count = source_(block_.data() + kept, kBlock);
    window_.text = {block_.data(), kept + count};
    refuse_nul(where_, window_.text, window_.before);
    at_ = kept;
    return count > 0;
  }

  static constexpr size_t kBlock = size_t{1} << 16;

  const Source& source_;
  const std::string& where_;
  std::string block_;
  Window window_;
  size_t at_ = 0;
};

// An iterator over the characters of a BlockReader. Without one it is the end iterator.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  explicit Cursor(BlockReader* reader = nullptr) : reader_(reader) {}

  char operator*() const { return reader_->front(); }
  Cursor& operator++() {
    reader_->advance();
    return *this;
  }
  bool operator!=(const Cursor& other) const { return is_at_end() != other.is_at_end(); }
  bool operator==(const Cursor& other) const { return is_at_end() == other.is_at_end(); }

 private:
  bool is_at_end() const { return !reader_ || reader_->is_at_end(); }

  BlockReader* reader_;
};

}  // namespace

Document parse(std::string_view text, const std::string& where) {
  refuse_nul(where, text, 0);
  const auto tree = std::make_shared<Tree>();
  tree->where = where;
  Builder builder(*tree);
  const char* begin = text.data() ? text.data() : "";
  if (!Library::sax_parse(begin, begin + text.size(), &builder)) builder.refuse({text});
  return Document(tree);
}

std::optional<Document> try_parse(std::string_view text) {
  try {
    return parse(text, "JSON");
  } catch (const Error&) {
    return std::nullopt;
  }
}

void each_element(const Source& source, const std::string& where, const std::string& unit,
                  const std::function<void(const Value&)>& visit) {
  Tree tree;
  tree.where = where;
  Builder builder(tree, unit, &visit);
  BlockReader reader(source, where);
  if (!Library::sax_parse(Cursor(&reader), Cursor(), &builder)) builder.refuse(reader.looked_ahead());
}

std::string real_text(double value) { return Library(value).dump(); }

}  // namespace gpt2run::json
