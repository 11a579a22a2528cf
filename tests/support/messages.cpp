// Compares messages with docs/messages.txt, or writes what was seen for scripts/messages.py, where GPT2RUN_MESSAGES
// names a folder. The form of the list: "[program]", below it "Suite.Test", and below that its messages, indented by
// two blanks: "PARAMETER: [EXIT CODE] MESSAGE".
#include "support/messages.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <cerrno>
#include <map>
#include <regex>
#include <set>

namespace gpt2run::test {
namespace {

struct Name {
  std::string heading, parameter;  // "Suite.Test", and what a parameter gives it
};

Name name_of(const testing::TestInfo& test) {
  const std::string name = test.name();
  const size_t slash = std::min(name.find('/'), name.size());
  return {std::string(test.test_suite_name()) + "." + name.substr(0, slash),
          slash < name.size() ? name.substr(slash + 1) : ""};
}

std::string line_of(const std::string& parameter, const std::string& message) {
  return "  " + (parameter.empty() ? "" : parameter + ": ") + message;
}

// What the list has for this program, and what the current test has seen of it.
class Messages {
 public:
  static Messages& instance() {
    static Messages messages;
    return messages;
  }

  // Whether the message stands in the list under the current test.
  bool take(const std::string& message) {
    const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
    if (!test) return false;
    const auto [heading, parameter] = name_of(*test);
    const std::string line = line_of(parameter, message);
    seen_.insert(line);
    return is_recording() || listed_[heading].contains(line);
  }

  static std::string place() { return program() + ", " + current_name(); }

  void start() { seen_.clear(); }

  void end(const testing::TestInfo& test) {
    const auto [heading, parameter] = name_of(test);
    if (!test.result()->Passed()) return;
    if (is_recording()) {
      write("ran", heading, parameter);
      for (const std::string& line : seen_) write("saw", heading, line);
      return;
    }
    for (const std::string& line : listed_[heading])
      if (line.starts_with(line_of(parameter, "")) && !seen_.contains(line))
        ADD_FAILURE() << "docs/messages.txt has a line for this test that it does not see:\n" << line << kHowToRenew;
  }

  // Finds tests that are in the list and no longer in this program. No test could report that.
  void check_names() {
    std::map<std::string, std::set<std::string>> there;
    const testing::UnitTest& all = *testing::UnitTest::GetInstance();
    for (int i = 0; i < all.total_test_suite_count(); ++i) {
      const testing::TestSuite& suite = *all.GetTestSuite(i);
      for (int j = 0; j < suite.total_test_count(); ++j) {
        const auto [heading, parameter] = name_of(*suite.GetTestInfo(j));
        there[heading].insert(line_of(parameter, ""));
        if (is_recording()) write("is", heading, parameter);
      }
    }
    if (is_recording()) return;
    for (const auto& [heading, lines] : listed_)
      for (const std::string& line : lines) {
        const auto owns = [&](const std::string& begin) { return line.starts_with(begin); };
        if (std::none_of(there[heading].begin(), there[heading].end(), owns))
          ADD_FAILURE() << "docs/messages.txt has a line for a test of " << program() << " that is gone, " << heading
                        << ":\n"
                        << line << kHowToRenew;
      }
  }

  static constexpr char kHowToRenew[] =
      "\nIf that is right, renew the list by scripts/messages.py and read the change.";

 private:
  Messages() {
    bool is_ours = false;
    std::string heading;
    std::ifstream file(SOURCE_DIR "/docs/messages.txt");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("["))
        is_ours = line == std::string("[").append(program()).append("]");
      else if (is_ours && line.starts_with("  "))
        listed_[heading].insert(line);
      else
        heading = line;
    }
  }

  static std::string program() {
    const std::string name = program_invocation_short_name;
    return name.starts_with("test_") ? name.substr(5) : name;
  }
  static std::string current_name() {
    const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
    return test ? name_of(*test).heading : "outside of tests";
  }
  static bool is_recording() { return getenv("GPT2RUN_MESSAGES") != nullptr; }
  static void write(const std::string& kind, const std::string& heading, const std::string& rest) {
    std::ofstream(std::filesystem::path(getenv("GPT2RUN_MESSAGES")) / program(), std::ios::app)
        << kind << '\t' << heading << '\t' << rest << '\n';
  }

  std::map<std::string, std::set<std::string>> listed_;  // by heading
  std::set<std::string> seen_;                           // by the current test
};

class NamesStillThere : public testing::Environment {
 public:
  void TearDown() override { Messages::instance().check_names(); }
};

// GoogleTest owns both. Appended listeners hear of a test's end before the printer does.
const bool kListening = [] {
  struct Listener final : testing::EmptyTestEventListener {
    void OnTestStart(const testing::TestInfo&) override { Messages::instance().start(); }
    void OnTestEnd(const testing::TestInfo& test) override { Messages::instance().end(test); }
  };
  testing::UnitTest::GetInstance()->listeners().Append(new Listener);
  testing::AddGlobalTestEnvironment(new NamesStillThere);
  return true;
}();

void replace(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) text.replace(at, from.size(), to);
}

bool is_word_byte(unsigned char c) { return std::isalnum(c) || c == '_'; }

// Whether the byte at i continues the word beside it. next: the index of the byte that follows i, going away from it.
bool joins(const std::string& text, size_t i, size_t next) {
  const auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0; };
  return is_word_byte(byte(i)) || ((byte(i) == '-' || byte(i) == '.') && is_word_byte(byte(next)));
}

// The text without its line end, or nothing if it has several lines.
std::optional<std::string> only_line(const std::string& text) {
  const std::string line = text.ends_with('\n') ? text.substr(0, text.size() - 1) : text;
  return line.find('\n') == line.npos ? std::optional(line) : std::nullopt;
}

std::string missing_word(const std::string& line, const Words& words) {
  for (const std::string& word : words)
    if (!has_word(line, word)) return word;
  return "";
}

std::vector<std::string> lines_with(const std::string& text, const Words& words) {
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (missing_word(line, words).empty()) found.push_back(line);
  return found;
}

}  // namespace

std::string normalised(std::string text) {
  static const std::pair<std::regex, std::string> kChanging[] = {
      {std::regex("[^ \"'=]*/gpt2run-(test|loader|sink)-[A-Za-z0-9]{6}(?![A-Za-z0-9])"), "<folder>"},
      {std::regex("\\((there is: |)[a-z0-9-]+(, [a-z0-9-]+)+\\)"), "($1<names>)"},
      {std::regex("rank ([0-9]+) on [^ :]+"), "rank $1 on <host>"},
      {std::regex("[0-9a-f]{64}"), "<hash>"},
      {std::regex("[.]?[0-9a-f]{24}-[0-9a-f]{16}([.][0-9]+-[0-9a-f]+[.]tmp)?"), "<key>"},
      {std::regex("(hash[^,;]* )[0-9a-f]{16,17}(?![0-9a-f])"), "$1<hash>"},
      {std::regex("(hash[^;]*, now )[0-9a-f]{16}(?![0-9a-f])"), "$1<hash>"},
      {std::regex("(the MPI that gpt2run was built with, ).*"), "$1<MPI>"},
      {std::regex("(version was )[^ ]+( .*now )[^ ]+"), "$1<version>$2<version>"},
      {std::regex("(this machine has )[0-9.]+ [kMGT]?B"), "$1<bytes>"},
      {std::regex("[0-9]+( weights .what fits this machine)"), "<number>$1"},
  };
  replace(text, BINARY_DIR, "<build>");
  replace(text, SOURCE_DIR, "<source>");
  for (const auto& [changing, name] : kChanging) text = std::regex_replace(text, changing, name);
  return text;
}

bool has_word(const std::string& text, const std::string& word) {
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    const auto is_open = [](char c) { return is_word_byte(static_cast<unsigned char>(c)); };
    const bool longer_before = at > 0 && (is_open(word.front()) || word.front() == '-') && joins(text, at - 1, at - 2);
    const bool longer_behind = is_open(word.back()) && joins(text, end, end + 1);
    const bool more_dashes = at > 0 && word.front() == '-' && text[at - 1] == '-';
    if (!longer_before && !longer_behind && !more_dashes) return true;
  }
  return false;
}

void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << "exit code " << outcome.code << ", standard output " << testing::PrintToString(outcome.out)
       << ", standard error " << testing::PrintToString(outcome.err);
}

bool MessageMatcher::MatchAndExplain(const std::string& text, std::ostream* why) const {
  std::ostringstream nobody;
  std::ostream& reason = why ? *why : nobody;
  std::optional<std::string> line = only_line(text);
  if (in_ == In::lines) {
    const std::vector<std::string> found = lines_with(text, words_);
    if (found.size() != 1) return reason << found.size() << " lines have all of these words", false;
    line = found[0];
  }
  if (!line) return reason << "it is not one line", false;
  const std::string missing = missing_word(*line, words_);
  if (!missing.empty()) return reason << "it does not say " << missing, false;
  const std::string message = (code_ ? "[" + std::to_string(*code_) + "] " : "") + normalised(*line);
  if (Messages::instance().take(message)) return true;
  reason << "docs/messages.txt does not list this message for " << Messages::place() << ":\n"
         << message << Messages::kHowToRenew;
  return false;
}

bool MessageMatcher::MatchAndExplain(const Outcome& outcome, std::ostream* why) const {
  std::ostringstream nobody;
  std::ostream& reason = why ? *why : nobody;
  static const std::regex kProgram("gpt2[-a-z]+: error: .*\n");
  if (outcome.code != code_) return reason << "it ended with " << outcome.code, false;
  if (!outcome.out.empty()) return reason << "it wrote to standard output", false;
  if (!std::regex_match(outcome.err, kProgram)) return reason << "it is not one line of a program's error", false;
  return MatchAndExplain(outcome.err, why);
}

void MessageMatcher::DescribeTo(std::ostream* out) const {
  *out << (in_ == In::lines ? "one line of it is a message" : "is a message of one line");
  if (code_) *out << " of a program that ends with " << *code_;
  *out << " that docs/messages.txt lists";
  for (size_t i = 0; i < words_.size(); ++i) *out << (i == 0 ? " and that says " : ", ") << words_[i];
}

void MessageMatcher::DescribeNegationTo(std::ostream* out) const {
  *out << "not: ";
  DescribeTo(out);
}

}  // namespace gpt2run::test
