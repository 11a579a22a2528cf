// Prompts in files, as a user hands them over: lines, JSON lines, prompt sets; and what is said about broken ones.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::HasMessage;
using test::IsMessage;
using test::IsRefusal;
using testing::ElementsAre;

using Ids = std::vector<int32_t>;

// Ids of the demo model's vocabulary; a tiny network, so that only reading takes time.
constexpr char kPromptRun[] = "gpt2run -q --model synthetic:L=1,C=8,H=2,F=12,V=4096,T=64 --tokenizer " SOURCE_DIR
                              "/models/demo -n 1 --sink null --manifest run.json ";

// The bytes of a prompt set as another program writes it. t: in the header, which the original leaves 0.
std::string prompt_set(const Ids& tokens, int32_t count, int32_t t = 0, int32_t version = 1, int32_t magic = 20240520) {
  int32_t header[256] = {magic, version, count, t};
  std::string bytes(reinterpret_cast<const char*>(header), sizeof header);
  for (const int32_t id : tokens) {
    const auto word = static_cast<uint16_t>(id);
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return bytes;
}

std::string prompt_set(const Ids& tokens) { return prompt_set(tokens, static_cast<int32_t>(tokens.size())); }

class Prompts : public Shell {
 protected:
  // What the manifest of a run holds.
  nlohmann::json prompts_of(const std::string& arguments, std::string* messages = nullptr) const {
    const Outcome done = run(kPromptRun + arguments);
    EXPECT_EQ(done.code, 0) << done.err;
    if (messages)
      *messages = done.err;
    else
      EXPECT_EQ(done.err, "");
    return nlohmann::json::parse(read_text(folder() / "run.json"), nullptr, false)["prompts"];
  }
  std::vector<std::string> texts_of(const std::string& arguments, std::string* messages = nullptr) const {
    std::vector<std::string> texts;
    for (const auto& prompt : prompts_of(arguments, messages)) texts.push_back(prompt["text"]);
    return texts;
  }
  std::vector<Ids> ids_of(const std::string& arguments, std::string* messages = nullptr) const {
    std::vector<Ids> ids;
    for (const auto& prompt : prompts_of(arguments, messages)) ids.push_back(prompt["tokens"]);
    return ids;
  }

  template <class... Word>
  void expect_refused(int code, const std::string& arguments, const Word&... words) const {
    EXPECT_THAT(run(kPromptRun + arguments), IsRefusal(code, words...)) << arguments;
    EXPECT_FALSE(std::filesystem::exists(folder() / "run.json")) << arguments;
  }
};

TEST_F(Prompts, ALineEach) {
  write("p.txt", "Once upon\r\n  two blanks \n\xff<|endoftext|>\nlast, without an end");
  EXPECT_THAT(texts_of("--prompts p.txt"),
              ElementsAre("Once upon", "  two blanks ", "\xef\xbf\xbd<|endoftext|>", "last, without an end"));
  EXPECT_EQ(ids_of("--prompts p.txt")[0], ids_of("--prompt 'Once upon'")[0]);
  EXPECT_EQ(ids_of("--prompts p.txt")[2], (Ids{187, 4095}));
  EXPECT_THAT(texts_of("--prompts - <p.txt"), texts_of("--prompts p.txt"));
  EXPECT_THAT(
      texts_of("--prompts p.txt --tokens 2441 -p a"),
      ElementsAre("a", "Once", "Once upon", "  two blanks ", "\xef\xbf\xbd<|endoftext|>", "last, without an end"));
}

TEST_F(Prompts, EmptyLinesAreSkippedAndCounted) {
  write("p.txt", "one\n\ntwo\n\r\n\n");
  std::string messages;
  EXPECT_THAT(texts_of("--prompts p.txt", &messages), ElementsAre("one", "two"));
  EXPECT_THAT(messages, IsMessage("gpt2run: warning", "p.txt", "3", "line 2"));
  write("p.txt", "\none");
  EXPECT_THAT(texts_of("--prompts p.txt", &messages), ElementsAre("one"));
  EXPECT_THAT(messages, IsMessage("gpt2run: warning", "p.txt", "line 1"));
}

TEST_F(Prompts, JsonLines) {
  write("p.jsonl",
        "{\"id\": \"a/1\", \"prompt\": \"two\\nlines\"}\n\n{\"text\": \"Once\", \"id\": 7, \"other\": [1]}\r\n"
        "  {\"tokens\": [2441, 678]}");
  const auto prompts = prompts_of("--prompts p.jsonl");
  ASSERT_EQ(prompts.size(), 3u);
  EXPECT_EQ(prompts[0]["text"], "two\nlines");
  EXPECT_EQ(prompts[0]["id"], "a/1");
  EXPECT_EQ(prompts[1]["text"], "Once");
  EXPECT_EQ(prompts[1]["id"], 7);  // a number stays one, so that results can be joined with what they are of
  EXPECT_EQ(prompts[2]["tokens"], (Ids{2441, 678}));
  EXPECT_EQ(prompts[2]["text"], "Once upon");
  EXPECT_FALSE(prompts[2].contains("id"));
}

TEST_F(Prompts, ARepeatedRunHasTheIdsToo) {
  write("p.jsonl", "{\"id\": \"first\", \"prompt\": \"Once\"}\n{\"prompt\": \"a\"}\n{\"prompt\": \"b\", \"id\": 12}\n");
  const auto prompts = prompts_of("--prompts p.jsonl");
  std::filesystem::rename(folder() / "run.json", folder() / "old.json");
  std::filesystem::remove(folder() / "p.jsonl");
  ASSERT_EQ(run("gpt2run -q --config old.json --manifest again.json").code, 0);
  EXPECT_EQ(nlohmann::json::parse(read_text(folder() / "again.json"))["prompts"], prompts);
}

TEST_F(Prompts, ARepeatedRunMayHaveIdsThatTheTokenizerHasNot) {
  ASSERT_EQ(run("gpt2run -q --model synthetic:L=1,C=8,H=2,F=12,V=5000,T=64 --tokenizer " SOURCE_DIR
                "/models/demo -n 1 --sink null --tokens '2441 4999' --manifest run.json")
                .code,
            0);
  const Outcome again = run("gpt2run -q --config run.json");
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.err, testing::HasSubstr("4096 tokens, the model has 5000"));
  EXPECT_EQ(std::ranges::count(again.err, '\n'), 1) << again.err;
}

TEST_F(Prompts, ASetOfTheOriginal) {
  write("set.bin", prompt_set({2441, 678, 4095, 4095, 4095, 4095, 4095, 4095, 1, 2, 3, 4}));
  std::string messages;
  EXPECT_THAT(ids_of("--prompts set.bin --t 4", &messages), ElementsAre(Ids{2441, 678}, Ids{1, 2, 3, 4}));
  EXPECT_THAT(messages, IsMessage("gpt2run: warning", "set.bin", "row 2"));
  EXPECT_EQ(prompts_of("--prompts set.bin --t 4", &messages)[0]["text"], "Once upon");
}

TEST_F(Prompts, ASetThatKnowsItsRows) {
  write("set.bin", prompt_set({5, 6, 7, 4095}, 4, 2));
  EXPECT_THAT(ids_of("--prompts set.bin"), ElementsAre(Ids{5, 6}, Ids{7}));
  EXPECT_THAT(ids_of("--prompts set.bin --t 2"), ElementsAre(Ids{5, 6}, Ids{7}));
  std::filesystem::remove(folder() / "run.json");
  expect_refused(2, "--prompts set.bin --t 4", "set.bin", "2", "--t 4");
}

TEST_F(Prompts, APatternNamesShards) {
  write("set_1.bin", prompt_set({1, 2}));
  write("set_0.bin", prompt_set({3, 4095}));
  write("set_[.bin", prompt_set({5, 6}));
  EXPECT_THAT(ids_of("--prompts 'set_?.bin' --t 2"), ElementsAre(Ids{3}, Ids{1, 2}, Ids{5, 6}));
  EXPECT_THAT(ids_of("--prompts 'set_[.bin' --t 2"), ElementsAre(Ids{5, 6}));
  std::filesystem::remove(folder() / "run.json");
  expect_refused(1, "--prompts 'none_*.bin' --t 2", "--prompts", "\"none_*.bin\"");
}

TEST_F(Prompts, BrokenLines) {
  write("p.txt", "");
  expect_refused(1, "--prompts p.txt", "p.txt");
  expect_refused(1, "--prompts - </dev/null", "-:");
  expect_refused(1, "--prompts - <&-", "--prompts -", "standard input", "Bad file descriptor");
  expect_refused(2, "--prompts - -p - </dev/null", "--prompt -", "--prompts -");
  expect_refused(1, "--prompts .", ".:", "Is a directory");
  expect_refused(1, "--prompts ''", "--prompts \"\"");
  expect_refused(1, "--prompts /dev/zero", "/dev/zero", "268435456");
  expect_refused(2, "-p a --t 4", "--t", "--prompts");
  write("p.txt", "short\n" + std::string(4000, 'a') + "\n");
  expect_refused(2, "--prompts p.txt --t 4", "--t", "--prompts");
  expect_refused(1, "--prompts p.txt", "prompt 1", "p.txt:2", "64");
  EXPECT_THAT(run("gpt2run -q --prompts 'p.tx?' --text.out p.txt"),
              IsRefusal(2, "--text.out", "\"p.txt\"", "--prompts"));
}

TEST_F(Prompts, BrokenJsonLines) {
  const struct {
    const char* line;
    test::Words words;
  } bad[] = {{"{\"prompt\": \"a\"", {"JSON", "\"{\"prompt\": \"a\"\""}},
             {"[1]", {"JSON", "list"}},
             {"{}", {"\"prompt\"", "\"text\"", "\"tokens\"", "none"}},
             {"{\"prompt\": \"a\", \"tokens\": [1]}", {"\"prompt\"", "\"text\"", "\"tokens\""}},
             {"{\"prompt\": \"a\", \"id\": {\"id\": 1}, \"prompt\": \"b\"}", {"\"prompt\""}},
             {"{\"prompt\": \"\"}", {"prompt:"}},
             {"{\"text\": 7}", {"text:", "7"}},
             {"{\"tokens\": []}", {"tokens:"}},
             {"{\"tokens\": [1.5]}", {"tokens[0]", "[0, 2147483647]", "1.5"}},
             {"{\"tokens\": [-1]}", {"tokens[0]", "[0, 2147483647]", "-1"}},
             {"{\"tokens\": [4, 4294967297]}", {"tokens[1]", "[0, 2147483647]", "4294967297"}},
             {"{\"tokens\": [1, 4096]}", {"4096", "[0, 4096)"}},
             {"{\"prompt\": \"a\", \"id\": null}", {"id:", "null"}},
             {"{\"prompt\": \"a\", \"id\": \"x\"}", {"\"id\"", "\"x\"", "line 1"}}};
  for (const auto& [line, words] : bad) {
    write("p.jsonl", std::string("{\"prompt\": \"fine\", \"id\": \"x\"}\n\n") + line + "\n");
    const Outcome done = run(std::string(kPromptRun) + "--prompts p.jsonl");
    EXPECT_THAT(done, IsRefusal(1, words)) << line;
    EXPECT_TRUE(test::has_word(done.err, "p.jsonl:3")) << done.err;
  }
}

TEST_F(Prompts, BrokenSets) {
  write("set.bin", prompt_set({1, 2, 3, 4, 5, 6}));
  expect_refused(2, "--prompts set.bin", "set.bin", "--t");
  expect_refused(1, "--prompts set.bin --t 4", "set.bin", "4", "6");
  write("set.bin", prompt_set({1, 2, 3, 4095, 4095, 4095, 7, 4095}));
  expect_refused(1, "--prompts set.bin --t 4", "set.bin", "row 2", "column 3", "4095");
  write("set.bin", prompt_set({4095, 4095}));
  expect_refused(1, "--prompts set.bin --t 2", "set.bin");
  write("set.bin", prompt_set({1, 5000}));
  expect_refused(1, "--prompts set.bin --t 2", "set.bin", "row 1", "5000", "[0, 4096)");
  write("set.bin", prompt_set({1, 2}, 2, 0, 2));
  expect_refused(1, "--prompts set.bin --t 2", "set.bin", "version 1", "2");
  write("set.bin", prompt_set({1, 2}, 2, 0, 1, 7));
  expect_refused(1, "--prompts set.bin --t 2", "set.bin", "20240520");
  write("set.bin", prompt_set({1, 2}, 4));
  expect_refused(1, "--prompts set.bin --t 2", "set.bin", "1032", "1028");
  write("set.bin", prompt_set({1, 2}, 2, -2));
  expect_refused(1, "--prompts set.bin", "set.bin", "-2");
  write("set.bin", prompt_set({1, 2}, -2));
  expect_refused(1, "--prompts set.bin --t 2", "set.bin", "-2");
}

TEST_F(Prompts, WhatIsCutIsSaid) {
  const std::string many(200, 'x');
  write("p.txt", "short\n" + many + "\n" + many + "\n");
  write("p.jsonl", "{\"prompt\": \"" + many + "\"}\n");
  Ids row(80, 7);
  row.back() = 9;
  write("set.bin", prompt_set(row));
  std::string messages;
  for (const char* source : {"--prompts p.jsonl", "--prompts set.bin --t 80", "--prompts - <p.jsonl"}) {
    const auto ids = ids_of(std::string("--truncate-prompt ") + source, &messages);
    ASSERT_EQ(ids.size(), 1u) << source;
    EXPECT_EQ(ids[0].size(), 64u) << source;
    EXPECT_THAT(messages, HasMessage("gpt2run: warning", "64")) << source;
  }
  EXPECT_EQ(ids_of("--truncate-prompt --prompts set.bin --t 80", &messages)[0].back(), 9);
  EXPECT_THAT(messages, HasMessage("80", "set.bin: row 1", "64"));
  EXPECT_EQ(ids_of("--truncate-prompt --prompts p.txt", &messages)[0], ids_of("-p short")[0]);
  EXPECT_THAT(messages, HasMessage("p.txt:2", "64", "1"));
}

// A model that names a start of text begins with it, and ends at any of its ends.
TEST_F(Prompts, WithoutAnyTheStartOfTextStarts) {
  ASSERT_EQ(run("gpt2convert -q -m synthetic:L=1,C=8,H=2,F=12,V=40,T=64 -o m").code, 0);
  const auto first_ids = [&](const std::string& start, const std::string& ends) {
    const Outcome done = run("sed -i 's/\"bos_token_id\": .*/\"bos_token_id\": " + start +
                             ",/; s/\"eos_token_id\": .*/\"eos_token_id\": " + ends +
                             ",/' m/config.json && gpt2run -q -m m -n 3 --sampler argmax --sink tokens --echo");
    EXPECT_EQ(done.err, "");
    return done.out;
  };
  const std::string from_7 = first_ids("7", "[39]"), from_end = first_ids("39", "39");
  EXPECT_TRUE(from_7.starts_with("7 ")) << from_7;
  EXPECT_TRUE(from_end.starts_with("39 ")) << from_end;
  EXPECT_EQ(first_ids("null", "39"), from_end);
  const std::string second = from_7.substr(2, from_7.find(' ', 2) - 2);
  EXPECT_EQ(first_ids("7", "[39, " + second + "]"), "7 " + second + "\n");
}

}  // namespace
}  // namespace gpt2run
