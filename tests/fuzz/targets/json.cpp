// The JSON reader: what it takes is written again, and read again as the same.
#include "gpt2run/json/json.hpp"

#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

std::string written(const json::Value& value) {
  JsonWriter writer(-1);
  json::write(writer, value);
  return writer.json();
}

// The elements of a list, read one at a time from pieces of 7 bytes.
size_t elements_of(std::string_view bytes) {
  size_t count = 0;
  const auto piece = [&](char* to, size_t most) {
    const size_t size = bytes.copy(to, std::min<size_t>(most, 7));
    bytes.remove_prefix(size);
    return size;
  };
  json::each_element(piece, "input", "element", [&](const json::Value& value) {
    value.description();
    ++count;
  });
  return count;
}

const Registration kJson("json", [](std::string_view bytes) {
  if (const auto document = json::try_parse(bytes)) {
    const std::string text = written(document->root());
    const json::Document again = json::parse(text, "again");
    require(written(again.root()) == text, "what is written is read again as the same");
    for (const json::Member& member : document->root().members())
      require(document->root().find(member.key).has_value(), "every key is found");
    if (document->root().type() == json::Type::list)
      require(elements_of(bytes) == document->root().elements().size(), "a list has its elements one by one");
    document->root().description();
  }
  json::parse(bytes, "input");
});

}  // namespace
}  // namespace gpt2run::fuzz
