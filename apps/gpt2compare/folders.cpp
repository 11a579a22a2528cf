// Files are streamed: each step of the JSON is processed and dropped as soon as its object ends, and the rows of a .npy
// file are read one at a time.
#include "gpt2compare/folders.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <set>

#include "gpt2run/files/input_file.hpp"
#include "gpt2run/json/json.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"

namespace gpt2run {
namespace {

// One step of a sequence.
struct Step {
  int32_t token;
  std::string text;
  std::vector<float> logits;
};

// Splits "generation_FP16_3.json" into FP16 and 3. A number with leading zeros is accepted here and refused later.
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

// The sequences of one side. Sets all.name if it is empty and the folder has only one name.
std::set<int64_t> sequences_of(Generations& all) {
  std::map<std::string, std::set<int64_t>> found;
  std::map<std::string, std::string> odd;  // by name, a file whose number has leading zeros
  std::error_code error;
  for (const std::filesystem::path& file : entries_of(all.folder, error)) {
    std::string name;
    int64_t sequence = 0;
    const std::string own = file.filename();
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

// Throws Error for a pipe, which could block, and for a folder, which would read as empty. A missing file is reported
// when it is opened.
void expect_file(const std::string& path) {
  const std::filesystem::file_status status = status_of(path);
  if (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status)) return;
  fail(path, ": expected a file, found ", std::filesystem::is_directory(status) ? "a folder" : "a pipe or device");
}

// Reads the rows of a .npy file as the sink `logits` writes it.
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
    if (bytes != expected)  // checked before a row is allocated
      fail(path, ": expected ", expected, " bytes, ", rows, " rows of ", cols, " floats behind the header, found ",
           bytes);
  }

  std::vector<float> next() {
    // An array without rows may claim any number of columns, so no memory is taken for one that is not there.
    if (taken_ == rows_) fail(path_, ": expected a row for every step, found ", rows_);
    std::vector<float> row(cols_);
    file_.read(reinterpret_cast<char*>(row.data()), static_cast<std::streamsize>(cols_ * sizeof(float)));
    if (!file_) fail(path_, ": cannot be read");
    ++taken_;
    return row;
  }

  // To be called after the last step. Throws Error if rows are left.
  void expect_end() const {
    if (taken_ != rows_) fail(path_, ": expected ", taken_, " rows, one for every step, found ", rows_);
  }

 private:
  std::string path_;
  std::ifstream file_;
  size_t rows_ = 0, cols_ = 0, taken_ = 0;
};

std::vector<float> logits_of(const json::Value& list) {
  std::vector<float> logits;
  logits.reserve(list.list().size());
  for (const json::Value& value : list.list()) {
    const double logit = value.number();
    if (std::abs(logit) > std::numeric_limits<float>::max()) value.refuse("a number that FP32 can hold");
    logits.push_back(static_cast<float>(logit));
  }
  if (logits.empty()) list.refuse("a list of numbers");
  return logits;
}

Step step_of(const json::Value& object) {
  constexpr int32_t kMostToken = INT32_MAX - 1;  // so that the size of the vocabulary fits into int32_t
  Step step{static_cast<int32_t>(object.at("token").integer(0, kMostToken)), "", {}};
  if (const auto text = object.find("text")) step.text = text->as_text().value_or("");
  if (const auto logits = object.find("logits")) step.logits = logits_of(*logits);
  return step;
}

// Calls visit(index, step) for each step, in order. path: the JSON file. npy: the file beside it that has the logits if
// the JSON does not.
void each_step(const std::string& path, const std::string& npy, const std::function<void(size_t, Step)>& visit) {
  expect_file(path);
  InputFile file(path);
  size_t index = 0;
  std::unique_ptr<Rows> rows;
  const auto take = [&](const json::Value& object) {
    const std::string where = path + ": step " + std::to_string(index);
    Step step = step_of(object);
    if (step.logits.empty()) {
      if (!rows && !is_there(npy)) fail(where, ": expected \"logits\", or ", npy, ", found neither");
      if (!rows) rows = std::make_unique<Rows>(npy);
      step.logits = rows->next();
    }
    if (step.token >= std::ssize(step.logits)) {
      const std::string below = std::to_string(step.logits.size());
      object.at("token").refuse("an id below " + below + ", the number of logits");
    }
    visit(index++, std::move(step));
  };
  try {
    json::each_element([&](char* to, size_t most) { return file.read(to, most); }, path, "step", take);
  } catch (const json::SyntaxError& error) {  // Python writes NaN and Infinity, which are not JSON
    const bool is_number = error.found.starts_with("NaN") || error.found.starts_with("Infinity");
    fail(error.what(), is_number ? ": JSON has no such number, npy has" : "");
  }
  if (rows) rows->expect_end();
}

}  // namespace

// A tokenizer that knows the texts of tokens from the files. It cannot encode.
class FolderComparison::Words final : public Tokenizer {
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

FolderComparison::FolderComparison(Generations ref, Generations test)
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
  JsonWriter manifest(-1);
  manifest.begin_object();
  manifest.field("ref_folder", ref_.folder);
  manifest.field("ref_name", ref_.name);
  manifest.field("test_folder", test_.folder);
  manifest.field("test_name", test_.name);
  manifest.end_object();
  comparison_.manifest = manifest.json();
}

void FolderComparison::compare_sequence(int32_t text, int64_t sequence, DivergenceMeter& meter) {
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
    const TargetPosition place{text, static_cast<int32_t>(index), static_cast<int32_t>(index)};
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

void FolderComparison::run(int32_t top_k, const std::function<void(int64_t, int64_t)>& progress) {
  DivergenceMeter meter(top_k);
  for (size_t i = 0; i < sequences_.size(); ++i) {
    compare_sequence(static_cast<int32_t>(i), sequences_[i], meter);
    progress(static_cast<int64_t>(i) + 1, std::ssize(sequences_));
  }
  comparison_.targets = static_cast<int64_t>(comparison_.tests[0].series.size());
  if (comparison_.targets == 0) fail(ref_.folder, " and ", test_.folder, ": expected steps to compare, found none");
}

std::string FolderComparison::summary() const {
  std::string text;
  const auto add = [&](int64_t count, const std::string& what) {
    if (count > 0) text += std::to_string(count) + " " + what + "\n";
  };
  add(only_ref_, "sequences are in " + printable(ref_.folder) + " only");
  add(only_test_, "sequences are in " + printable(test_.folder) + " only");
  add(apart_, "of " + std::to_string(sequences_.size()) + " sequences differ in at least one token");
  add(left_out_, "steps are left out, because they follow a different token or only one side has them");
  return text;
}

}  // namespace gpt2run
