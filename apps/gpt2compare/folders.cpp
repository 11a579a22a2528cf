// A step of JSON is looked at when its object ends and dropped at once; rows of npy are read one at a time.
#include "gpt2compare/folders.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

using Json = nlohmann::json;

struct Step {
  int32_t token;
  std::string text;
  std::vector<float> logits;
};

// "generation_FP16_3.json" -> FP16, 3; also of 03, which is refused later
bool parse_name(const std::string& file, std::string& name, int64_t& sequence) {
  constexpr std::string_view kBegin = "generation_", kEnd = ".json";
  if (!file.starts_with(kBegin) || !file.ends_with(kEnd)) return false;
  const std::string middle = file.substr(kBegin.size(), file.size() - kBegin.size() - kEnd.size());
  const size_t bar = middle.rfind('_');
  if (bar == middle.npos || bar + 1 == middle.size()) return false;
  const char* end = middle.data() + middle.size();
  const auto [rest, code] = std::from_chars(middle.data() + bar + 1, end, sequence);
  name = middle.substr(0, bar);
  return code == std::errc() && rest == end && sequence >= 0;
}

std::string file_name(const std::string& name, int64_t sequence, const char* ending) {
  return "generation_" + name + "_" + std::to_string(sequence) + ending;
}

std::string path_of(const Generations& all, int64_t sequence, const char* ending) {
  return std::filesystem::path(all.folder) / file_name(all.name, sequence, ending);
}

// Sets the name where there is only one.
std::set<int64_t> sequences_of(Generations& all) {
  std::map<std::string, std::set<int64_t>> found;
  std::map<std::string, std::string> odd;  // a file of the name with another writing of its number
  std::error_code error;
  for (std::filesystem::directory_iterator file(all.folder, error), end; !error && file != end; file.increment(error)) {
    std::string name;
    int64_t sequence = 0;
    const std::string own = file->path().filename();
    if (!parse_name(own, name, sequence)) continue;
    found[name].insert(sequence);
    if (own != file_name(name, sequence, ".json")) odd.emplace(name, own);
  }
  if (error) fail(all.option, " ", all.folder, ": cannot be read: ", error.message());
  if (all.name.empty() && found.size() == 1) all.name = found.begin()->first;
  if (const auto file = odd.find(all.name); file != odd.end())
    fail(all.option, " ", all.folder, ": expected numbers as 0 and 12, found ", file->second);
  if (const auto named = found.find(all.name); named != found.end()) return named->second;
  std::string names;
  for (const auto& [name, sequences] : found) names += (names.empty() ? "" : ", ") + name;
  const std::string which =
      all.name.empty() ? "generation_NAME_N.json of one name" : "generation_" + all.name + "_N.json";
  fail(all.option, " ", all.folder, ": expected files ", which, ", found ",
       found.empty() ? "none" : "those of " + names);
}

// A pipe would be waited for, and a folder read as if it were empty. What is not there is told by opening it.
void expect_file(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status)) return;
  fail(path, ": expected a file, found ", std::filesystem::is_directory(status) ? "a folder" : "a pipe or device");
}

// The rows of a .npy file as the sink `logits` writes it.
class Rows {
 public:
  explicit Rows(const std::string& path) : path_(path) {
    expect_file(path);
    file_.open(path, std::ios::binary);
    char begin[10] = {};
    file_.read(begin, sizeof begin);
    if (!file_ || std::string_view(begin, 8) != std::string_view("\x93NUMPY\x01\x00", 8))
      fail(path, ": expected a NumPy array of format 1.0, found none");
    std::string header(static_cast<unsigned char>(begin[8]) + 256u * static_cast<unsigned char>(begin[9]), ' ');
    file_.read(header.data(), std::ssize(header));
    long long rows = -1, cols = -1;
    int end = 0;
    const size_t shape = header.find("'shape': (");
    if (shape != header.npos) std::sscanf(header.c_str() + shape, "'shape': (%lld, %lld)%n", &rows, &cols, &end);
    const bool floats = header.find("'<f4'") != header.npos && header.find("'fortran_order': False") != header.npos;
    if (!file_ || !floats || end == 0 || rows < 0 || rows > INT32_MAX || cols < 1 || cols > INT32_MAX)
      fail(path, ": expected 32-bit floats in rows, found ", in_quotes(header));
    rows_ = static_cast<size_t>(rows), cols_ = static_cast<size_t>(cols);
    const size_t expected = sizeof begin + header.size() + rows_ * cols_ * sizeof(float);
    const auto bytes = std::filesystem::file_size(path);
    if (bytes != expected)  // known before a row is allocated
      fail(path, ": expected ", expected, " bytes, ", rows, " rows of ", cols, " floats behind the header, found ",
           bytes);
  }

  std::vector<float> next() {
    std::vector<float> row(cols_);
    file_.read(reinterpret_cast<char*>(row.data()), static_cast<std::streamsize>(cols_ * sizeof(float)));
    if (!file_) fail(path_, ": expected a row for every step, found ", rows_);
    ++taken_;
    return row;
  }

  // After the last step.
  void expect_end() const {
    if (taken_ != rows_) fail(path_, ": expected ", taken_, " rows, one for every step, found ", rows_);
  }

 private:
  std::string path_;
  std::ifstream file_;
  size_t rows_ = 0, cols_ = 0, taken_ = 0;
};

std::vector<float> logits_of(const std::string& where, const Json& list) {
  if (!list.is_array() || list.empty())
    fail(where, ": \"logits\": expected a list of numbers, found ", list.type_name());
  std::vector<float> logits;
  logits.reserve(list.size());
  for (const Json& value : list) {
    if (!value.is_number())
      fail(where, ": \"logits\": expected numbers, found ", value.type_name(), " for token ", logits.size());
    const auto logit = value.get<double>();
    if (std::abs(logit) > std::numeric_limits<float>::max())
      fail(where, ": \"logits\": expected numbers that FP32 can hold, found ", value.dump(), " for token ",
           logits.size());
    logits.push_back(static_cast<float>(logit));
  }
  return logits;
}

Step step_of(const std::string& where, const Json& object) {
  const auto token = object.find("token");
  if (token == object.end() || !token->is_number_integer() || token->get<int64_t>() < 0 ||
      token->get<int64_t>() >= INT32_MAX)  // a vocabulary is one more
    fail(where, ": \"token\": expected a token id, found ", token == object.end() ? "none" : in_quotes(token->dump()));
  Step step{token->get<int32_t>(), "", {}};
  if (const auto text = object.find("text"); text != object.end() && text->is_string()) step.text = *text;
  if (const auto logits = object.find("logits"); logits != object.end()) step.logits = logits_of(where, *logits);
  return step;
}

// What stands where the parser gave up. Python writes NaN and Infinity, which are no JSON.
[[noreturn]] void fail_of_json(const std::string& path, size_t step, const Json::exception& error) {
  constexpr size_t kShown = 12;
  const auto* parsing = dynamic_cast<const Json::parse_error*>(&error);
  if (!parsing) fail(path, ": step ", step, ": expected numbers, found one that is too large");
  std::string found(kShown, '\0');
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(std::max<size_t>(parsing->byte, 1) - 1));
  file.read(found.data(), kShown);
  found.resize(static_cast<size_t>(file.gcount()));
  const bool is_number = found.starts_with("NaN") || found.starts_with("Infinity");
  found.resize(std::min(found.find_first_of(",]} \n\r\t"), found.size()));
  fail(path, ": step ", step, ": expected JSON, found ", found.empty() ? "its end" : in_quotes(found), " at byte ",
       parsing->byte, is_number ? ": JSON has no such number, npy has" : "");
}

// visit(index, step) in order. path: of the JSON; logits that it has not are in the .npy beside it.
void each_step(const std::string& path, const std::string& npy, const std::function<void(size_t, Step)>& visit) {
  expect_file(path);
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, ": cannot be read: ", std::strerror(errno));
  size_t index = 0;
  std::unique_ptr<Rows> rows;
  const auto take = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth == 0 && event == Json::parse_event_t::object_start)
      fail(path, ": expected a list of steps, found an object");
    if (depth == 1 && (event == Json::parse_event_t::value || event == Json::parse_event_t::array_start))
      fail(path, ": step ", index, ": expected an object, found a ",
           parsed.is_discarded() ? "list" : parsed.type_name());
    if (depth != 1 || event != Json::parse_event_t::object_end) return true;
    const std::string where = path + ": step " + std::to_string(index);
    Step step = step_of(where, parsed);
    if (step.logits.empty()) {
      if (!rows && !std::filesystem::exists(npy)) fail(where, ": expected \"logits\", or ", npy, ", found neither");
      if (!rows) rows = std::make_unique<Rows>(npy);
      step.logits = rows->next();
    }
    if (step.token >= std::ssize(step.logits))
      fail(where, ": \"token\": expected an id below ", step.logits.size(), ", the number of logits, found ",
           step.token);
    visit(index++, std::move(step));
    return false;
  };
  Json left;
  try {
    left = Json::parse(file, take);
  } catch (const Json::exception& error) {
    fail_of_json(path, index, error);
  }
  if (!left.is_array()) fail(path, ": expected a list of steps, found a ", left.type_name());
  if (!file.eof()) fail(path, ": expected the end of the file behind the list, found a NUL byte");  // ends the parser
  if (rows) rows->expect_end();
}

}  // namespace

// What the files say of tokens; nothing can be encoded.
class FolderStudy::Words final : public Tokenizer {
 public:
  void add(const Step& step) {
    size_ = std::max(size_, step.token + 1);
    if (!step.text.empty()) texts_.emplace(step.token, step.text);
  }

  std::vector<int32_t> encode(std::string_view, bool) const override { fail("files of logits cannot encode a text"); }
  std::string_view piece(int32_t id) const override {
    const auto found = texts_.find(id);
    return found == texts_.end() ? std::string_view() : found->second;
  }
  int32_t size() const override { return size_; }
  int32_t end_of_text() const override { return -1; }

 private:
  std::map<int32_t, std::string> texts_;
  int32_t size_ = 0;
};

FolderStudy::FolderStudy(Generations ref, Generations test)
    : ref_(std::move(ref)), test_(std::move(test)), words_(std::make_shared<Words>()) {
  const std::set<int64_t> theirs = sequences_of(ref_), ours = sequences_of(test_);
  std::ranges::set_intersection(theirs, ours, std::back_inserter(sequences_));
  only_ref_ = std::ssize(theirs) - std::ssize(sequences_), only_test_ = std::ssize(ours) - std::ssize(sequences_);
  if (sequences_.empty())
    fail(ref_.folder, " and ", test_.folder, ": expected sequences of the same number, found none");
  comparison_.reference = ref_.name;
  comparison_.tokenizer = words_.get();
  comparison_.tests.resize(1);
  comparison_.tests[0].series.name = test_.name == ref_.name ? test_.name + " of " + test_.folder : test_.name;
  comparison_.manifest = Json{
      {"ref_folder", ref_.folder},
      {"ref_name", ref_.name},
      {"test_folder", test_.folder},
      {"test_name",
       test_.name}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void FolderStudy::compare_sequence(int32_t text, int64_t sequence, DivergenceMeter& meter) {
  std::vector<Step> steps;
  each_step(path_of(ref_, sequence, ".json"), path_of(ref_, sequence, ".npy"),
            [&](size_t, Step step) { steps.push_back(std::move(step)); });
  Prompt prompt{"", {}};
  for (const Step& step : steps) words_->add(step), prompt.tokens.push_back(step.token);
  const std::string file = path_of(test_, sequence, ".json");
  size_t count = 0;
  bool apart = false;
  each_step(file, path_of(test_, sequence, ".npy"), [&](size_t index, Step step) {
    words_->add(step), ++count;
    if (apart || index >= steps.size()) return void(++left_out_);
    const Place place{text, static_cast<int32_t>(index), static_cast<int32_t>(index)};
    try {
      comparison_.tests[0].series.add(place, meter.compare(steps[index].logits, step.logits, steps[index].token));
    } catch (const Error& error) {
      fail(file, " against ", path_of(ref_, sequence, ".json"), ", step ", index, ": ", error.what());
    }
    apart = step.token != steps[index].token;
    apart_ += apart;
  });
  if (steps.size() > count) left_out_ += std::ssize(steps) - static_cast<int64_t>(count);
  comparison_.texts.push_back(std::move(prompt));
}

void FolderStudy::run(int32_t top_k, const std::function<void(int64_t, int64_t)>& progress) {
  DivergenceMeter meter(top_k);
  for (size_t i = 0; i < sequences_.size(); ++i) {
    compare_sequence(static_cast<int32_t>(i), sequences_[i], meter);
    progress(static_cast<int64_t>(i) + 1, std::ssize(sequences_));
  }
  comparison_.targets = static_cast<int64_t>(comparison_.tests[0].series.size());
  if (comparison_.targets == 0) fail(ref_.folder, " and ", test_.folder, ": expected steps to compare, found none");
}

std::string FolderStudy::summary() const {
  std::string text;
  const auto add = [&](int64_t count, const std::string& what) {
    if (count > 0) text += std::to_string(count) + " " + what + "\n";
  };
  add(only_ref_, "sequences are in " + printable(ref_.folder) + " only");
  add(only_test_, "sequences are in " + printable(test_.folder) + " only");
  add(apart_, "of " + std::to_string(sequences_.size()) + " sequences choose different tokens somewhere");
  add(left_out_, "steps behind that, or that one side has not, are left out: their contexts differ");
  return text;
}

}  // namespace gpt2run
