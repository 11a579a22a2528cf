// A file is a prompt set if it begins with the magic number or is called .bin. One called .jsonl has a JSON object in
// each line, and any other has lines of text.
#include "common/prompts/prompt_file.hpp"

#include <glob.h>

#include <filesystem>
#include <map>
#include <memory>

#include "common/config/text_file.hpp"
#include "common/prompts/prompt_set.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/json/json.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

std::string place(const std::string& file, size_t line) { return file + ":" + std::to_string(line); }

// Such as "p.txt: 2 lines are empty: skipped, the first is line 4".
std::string skipped(const std::string& file, const std::string& unit, const std::string& what, size_t count,
                    int64_t first) {
  const std::string which = unit + " " + std::to_string(first);
  if (count == 1) return file + ": " + which + " is " + what + ": skipped";
  return file + ": " + std::to_string(count) + " " + unit + "s are " + what + ": skipped, the first is " + which;
}

// Calls visit(number, line) for each line, counted from 1, without its line end.
template <class Visit>
void each_line(std::string_view content, Visit visit) {
  for (size_t number = 1; !content.empty(); ++number) {
    const size_t end = content.find('\n');
    std::string_view line = content.substr(0, end);
    content.remove_prefix(end == content.npos ? content.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    visit(number, line);
  }
}

void read_lines(const std::string& file, std::string_view content, PromptFile& found) {
  size_t empty = 0, first = 0;
  each_line(content, [&](size_t number, std::string_view line) {
    if (line.find('\0') != line.npos)
      fail(place(file, number), ": expected a line of text in UTF-8, found zero bytes, as UTF-16 has");
    if (!line.empty()) return found.prompts.push_back({place(file, number), std::string(line), "", {}});
    if (empty++ == 0) first = number;
  });
  if (empty > 0) found.warnings.push_back(skipped(file, "line", "empty", empty, static_cast<int64_t>(first)));
}

std::string id_of(const json::Value& id) {
  if (id.is_whole()) return id.number_text();
  const auto text = id.as_text();
  if (!text) id.refuse("a text or a whole number");
  return std::string(*text);
}

std::string text_of(const json::Value& text) {
  std::string written = text.text();
  if (written.empty()) text.refuse("a text that is not empty");
  return written;
}

std::vector<int32_t> tokens_of(const json::Value& list) {
  std::vector<int32_t> tokens;
  for (const json::Value& id : list.list()) tokens.push_back(static_cast<int32_t>(id.integer(0, INT32_MAX)));
  if (tokens.empty()) list.refuse("a list of token ids");
  return tokens;
}

json::Document read_line(const std::string& origin, std::string_view line) {
  try {
    json::Document document = json::parse(line, origin);
    document.root().object();
    return document;
  } catch (const json::SyntaxError& error) {
    if (error.found.empty() && line.ends_with('}')) throw;  // a fault that the line does not show
    // An object is one line, so it is shown instead of a place within it.
    fail(origin, ": expected a JSON object, found ", in_quotes(line));
  }
}

WrittenPrompt read_object(const std::string& origin, std::string_view line) {
  const json::Document document = read_line(origin, line);
  const json::Value object = document.root();
  WrittenPrompt prompt{origin, "", "", {}};
  int given = 0;
  for (const char* key : {"prompt", "text", "tokens"}) {
    const auto value = object.find(key);
    if (!value) continue;
    ++given;
    if (key == std::string_view("tokens"))
      prompt.tokens = tokens_of(*value);
    else
      prompt.text = text_of(*value);
  }
  if (given != 1)
    fail(origin, ": expected one of the keys \"prompt\", \"text\" and \"tokens\", found ",
         given == 0 ? "none" : "several");
  if (const auto id = object.find("id")) prompt.id = id_of(*id), prompt.number_id = id->is_whole();
  return prompt;
}

void read_objects(const std::string& file, std::string_view content, PromptFile& found) {
  std::map<std::string, size_t> ids;  // the line of each id
  each_line(content, [&](size_t number, std::string_view line) {
    if (line.find_first_not_of(" \t\r") == line.npos) return;
    found.prompts.push_back(read_object(place(file, number), line));
    const std::string& id = found.prompts.back().id;
    if (id.empty()) return;
    if (const auto [same, is_new] = ids.emplace(id, number); !is_new)
      fail(place(file, number), ": \"id\": ", in_quotes(id), " is that of line ", same->second, " already");
  });
}

void read_rows(const std::string& file, std::string_view bytes, const PromptRows& rows, PromptFile& found) {
  PromptSet set = read_prompt_set(file, bytes, rows.t, rows.padding);
  found.is_set = true;
  for (PromptSet::Row& row : set.rows)
    found.prompts.push_back({file + ": row " + std::to_string(row.number), "", "", std::move(row.tokens)});
  if (!set.empty.empty())
    found.warnings.push_back(skipped(file, "row", "only padding", set.empty.size(), set.empty.front()));
}

}  // namespace

std::vector<std::string> prompt_files(const std::string& pattern, const std::string& option) {
  if (pattern == "-" || is_there(pattern)) return {pattern};
  glob_t matches{};
  const int code = glob(pattern.c_str(), GLOB_ERR, nullptr, &matches);
  const std::unique_ptr<glob_t, decltype(&globfree)> owned(&matches, globfree);
  if (code == GLOB_NOSPACE) throw std::bad_alloc();
  if (code == GLOB_ABORTED) fail(option, " ", in_quotes(pattern), ": a folder of this pattern cannot be read");
  if (code != 0) fail(option, " ", in_quotes(pattern), ": no such file, and none matches it as a pattern");
  return {matches.gl_pathv, matches.gl_pathv + matches.gl_pathc};
}

PromptFile read_prompt_file(const std::string& file, const PromptRows& rows, const std::string& option) {
  const bool standard_input = file == "-";
  std::string content = standard_input ? read_standard_input(option + " -: ") : read_file(file);
  const std::filesystem::path path = file;
  const bool is_set = is_prompt_set(content) || path.extension() == ".bin";
  if (!is_set) content = as_utf8(std::move(content), standard_input ? option + " -: standard input" : file);
  if (path.extension() == ".json")
    fail(file,
         ": expected lines of text, or a file .jsonl with a JSON object in each line, found the name of a JSON "
         "document");
  PromptFile found;
  if (is_set)
    read_rows(file, content, rows, found);
  else if (path.extension() == ".jsonl")
    read_objects(file, content, found);
  else
    read_lines(file, content, found);
  if (found.prompts.empty()) fail(file, ": expected a prompt, found none");
  return found;
}

}  // namespace gpt2run
