// The rules by which options find their place: parsing and ranges, layers, names of plugins, slots and aliases.
#include "common/config/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <type_traits>

#include "gpt2run/sdk/escape.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::IsMessage;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr OptionSpec kNucleus[] = {{"temp", "real", "1", "[0, inf)", "temperature"},
                                   {"top_k", "int", "10", "[0, inf)", "candidates, 0: all"},
                                   {"top_p", "real", "0.8", "(0, 1]", "mass"}};
constexpr OptionSpec kTopK[] = {{"top_k", "int", "40", "[1, inf)", "candidates"}};
constexpr OptionSpec kText[] = {{"prefix", "text", "", "", "written before each sequence"},
                                {"color", "bool", "off", "", "colours"},
                                {"out", "text", "-", "", "file"}};
constexpr OptionSpec kLogits[] = {{"format", "enum", "json", "json|npy", "file format"},
                                  {"out", "text", "saved_logits", "", "folder"}};

Probe here() { return {1, "here"}; }
void* nothing(const Options&, const Host&) { return nullptr; }

constexpr Plugin kNucleusPlugin{kAbi, kTag, Kind::sampler, Space::host, true, "nucleus",
                                "1",  "",   kNucleus,      3,           here, nothing};
constexpr Plugin kTopKPlugin{kAbi, kTag, Kind::sampler, Space::host, false, "top-k", "1", "", kTopK, 1, here, nothing};
constexpr Plugin kTextPlugin{kAbi, kTag, Kind::sink, Space::host, false, "text", "1", "", kText, 3, here, nothing};
constexpr Plugin kLogitsPlugin{kAbi, kTag, Kind::sink, Space::host, false, "logits",
                               "1",  "",   kLogits,    2,           here,  nothing};

constexpr CoreOption kCore[] = {{{"sampler", "text", "device-nucleus", "", "chain"}},
                                {{"prompt", "text", "", "", "text"}, 'p', true},
                                {{"stop", "text", "", "", "text"}, 0, true},
                                {{"n_gen", "int", "64", "[1, 1000000]", "tokens"}},
                                {{"max_new_tokens", "int", "-1", "[-1, 1000000]", "tokens"}, 'n'},
                                {{"quiet", "bool", "off", "", "no log"}, 'q'},
                                {{"config", "text", "", "", "file"}}};

// Its values look at its own specs: a copy's would look at those of an object that may be gone.
static_assert(!std::is_copy_constructible_v<Configuration> && !std::is_move_constructible_v<Configuration>);
static_assert(!std::is_copy_assignable_v<Configuration> && !std::is_move_assignable_v<Configuration>);

// Nucleus, text and logits, as chosen by default.
struct Selection {
  BoundPlugin nucleus{kNucleusPlugin, {"device-nucleus", {}}, Layer::fallback};
  BoundPlugin text{kTextPlugin, {"text", {}}, Layer::command_line},
      logits{kLogitsPlugin, {"logits", {}}, Layer::command_line};
  std::vector<std::string> skipped;

  explicit Selection(std::vector<std::string> line) : Selection(Configuration(kCore, std::move(line))) {}
  explicit Selection(Configuration&& configuration) {
    BoundPlugin* const all[] = {&nucleus, &text, &logits};
    std::vector<OtherPlugin> others = {{Kind::sampler, "elsewhere", [] { return nullptr; }}};
    for (const Plugin* plugin : {&kNucleusPlugin, &kTopKPlugin, &kTextPlugin, &kLogitsPlugin})
      others.push_back({plugin->kind, plugin->name, [plugin] { return plugin; }});
    skipped = configuration.bind(all, others);
  }
};

// With the exit code that a program makes of it.
template <class Call>
std::string refusal(Call call) {
  try {
    call();
  } catch (const UsageError& error) {
    return std::string("[2] ") + error.what();
  } catch (const Error& error) {
    return std::string("[1] ") + error.what();
  }
  return "accepted";
}

template <class... Word>
auto IsUsageError(const Word&... words) {
  return IsMessage("[2]", words...);
}

std::string refusal_of(std::vector<std::string> line) {
  return refusal([&] { Selection{line}; });
}

class ConfigFile : public testing::Test {
 protected:
  std::string write(const std::string& content) const { return folder_.file("a.ini", content).string(); }

 private:
  test::ScratchFolder folder_;
};

TEST(Echo, IsOneLineAndCut) {
  EXPECT_EQ(in_quotes("a\n\t\x1b[2J\x7f"), "\"a\\n\\t\\x1b[2J\\x7f\"");
  EXPECT_EQ(in_quotes("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x99\x82"), "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x99\x82\"");
  // Cut short, overlong, a surrogate, beyond the last code point; a C1 control; right to left.
  EXPECT_EQ(in_quotes("\xc3"), "\"\\xc3\"");
  EXPECT_EQ(in_quotes("\xc0\xaf"), "\"\\xc0\\xaf\"");
  EXPECT_EQ(in_quotes("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");
  EXPECT_EQ(in_quotes("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\"");
  EXPECT_EQ(in_quotes("\xc2\x9b"), "\"\\xc2\\x9b\"");
  EXPECT_EQ(in_quotes("\xe2\x80\xae"), "\"\\xe2\\x80\\xae\"");
  EXPECT_EQ(in_quotes(std::string(60, 'x')), "\"" + std::string(60, 'x') + "\"");
  EXPECT_EQ(in_quotes(std::string(61, 'x')), "\"" + std::string(60, 'x') + "...\"");
}

TEST(OptionValues, ParsesEveryTypeAndShowsItInOneSpelling) {
  OptionValues values("sampler nucleus", kNucleus);
  EXPECT_EQ(values.real("top_p"), 0.8);
  values.set("top-p", "1e-1", "--top-p");
  EXPECT_EQ(values.real("top_p"), 0.1);
  EXPECT_EQ(values.shown("top_p"), "0.1");
  values.set("top_k", "+7", "--top_k");
  EXPECT_EQ(values.integer("top_k"), 7);
  EXPECT_EQ(values.real("top_k"), 7);  // a whole number is a number
  EXPECT_TRUE(values.given("top_k"));
  EXPECT_FALSE(values.given("temp"));
  OptionValues text("sink text", kText);
  for (const char* yes : {"on", "true", "yes", "1"}) {
    text.set("color", yes, "--color");
    EXPECT_TRUE(text.flag("color")) << yes;
    EXPECT_EQ(text.shown("color"), "on");
  }
}

TEST(OptionValues, RefusesWhatIsOutOfRangeOrNotANumber) {
  OptionValues nucleus("sampler nucleus", kNucleus), logits("sink logits", kLogits), text("sink text", kText);
  const auto set = [](OptionValues& values, const char* key, const char* value) {
    return refusal([&] { values.set(key, value, "--it"); });
  };
  EXPECT_THAT(set(nucleus, "top_p", "1.5"), IsUsageError("--it", "(0, 1]", "\"1.5\""));
  EXPECT_EQ(set(nucleus, "top_p", "1"), "accepted");
  EXPECT_THAT(set(nucleus, "top_p", "0"), IsUsageError("--it", "(0, 1]", "\"0\""));
  for (const char* bad : {"", "nan", "inf", "-inf", "0x1", "0.5x", " 0.5", "0,5", "1e999"})
    EXPECT_THAT(set(nucleus, "top_p", bad), IsUsageError("--it", "(0, 1]", in_quotes(bad)));
  for (const char* bad : {"", "1.5", "-1", "9223372036854775808", "ten"})
    EXPECT_THAT(set(nucleus, "top_k", bad), IsUsageError("--it", "whole", "[0, inf)", in_quotes(bad)));
  EXPECT_THAT(set(logits, "format", "xml"), IsUsageError("--it", "json|npy", "\"xml\""));
  EXPECT_THAT(set(logits, "format", "jso"), IsUsageError("--it", "json|npy", "\"jso\""));
  EXPECT_THAT(set(text, "color", "maybe"), IsUsageError("--it", "on", "off", "\"maybe\""));
}

TEST(OptionValues, ReadingWhatIsNotDeclaredThrows) {
  const OptionValues values("sampler nucleus", kNucleus);
  EXPECT_THROW(values.real("min_p"), Error);
  EXPECT_THROW(values.text("top_p"), Error);
  EXPECT_THROW(values.integer("top_p"), Error);
}

TEST(OptionValues, APluginsBadDeclarationIsNamed) {
  const auto refused = [](OptionSpec spec) {
    try {
      OptionValues("sampler broken", {&spec, 1});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refused({"a", "real", "2", "[0, 1]", ""}), IsMessage("sampler broken", "option a"));
  EXPECT_THAT(refused({"a", "real", "0", "0..1", ""}), IsMessage("sampler broken", "option a", "\"0..1\""));
  EXPECT_THAT(refused({"a", "real", "0", "[1, 0]", ""}), IsMessage("sampler broken", "option a", "\"[1, 0]\""));
  EXPECT_THAT(refused({"a", "float", "0", "", ""}), IsMessage("sampler broken", "option a", "\"float\""));
}

TEST(Line, CoreOptionsInEverySpelling) {
  const Configuration c(kCore, {"--n-gen=5", "-n", "3", "-q", "--prompt", "a", "-pb", "--prompt", ""});
  EXPECT_EQ(c.values().integer("n_gen"), 5);
  EXPECT_EQ(c.values().integer("max_new_tokens"), 3);
  EXPECT_TRUE(c.values().flag("quiet"));
  EXPECT_THAT(c.list("prompt"), ElementsAre("a", "b", ""));
  EXPECT_EQ(c.layer("n_gen"), Layer::command_line);
  EXPECT_EQ(c.layer("sampler"), Layer::fallback);
  EXPECT_FALSE(Configuration(kCore, {"--quiet=off"}).values().flag("quiet"));
}

TEST(Line, ValuesMayLookLikeOptionsOrNumbers) {
  EXPECT_THAT(Configuration(kCore, {"--prompt", "-", "--prompt", "-5", "--prompt=--n_gen"}).list("prompt"),
              ElementsAre("-", "-5", "--n_gen"));
  EXPECT_EQ(Configuration(kCore, {"-n", "-1"}).values().integer("max_new_tokens"), -1);
}

TEST(Line, MistakesAreNamed) {
  EXPECT_THAT(refusal_of({"hello"}), IsUsageError("\"hello\""));
  EXPECT_THAT(refusal_of({"--prompt", "a", "--", "--n_gen"}), IsUsageError("\"--n_gen\""));
  for (const char* flag : {"--quiet", "-q"}) EXPECT_THAT(refusal_of({flag, "off"}), IsUsageError("\"off\"")) << flag;
  EXPECT_THAT(refusal_of({"--n_gen"}), IsUsageError("--n_gen"));
  for (const auto& [last, named] : {std::pair("-n", "--max_new_tokens"),
                                    {"-p", "--prompt"},
                                    {"--max-new-tokens", "--max_new_tokens"},
                                    {"--temp", "--temp"},
                                    {"--nucleus.temp", "--nucleus.temp"}})
    EXPECT_THAT(refusal_of({"-q", last}), IsUsageError(named)) << last;
  for (const char* odd :
       {"", "-", "---", "--=", "--=a", "--.", "--.a=b", "--a.=b", "--sampler.", "-.", "=", "--nucleus.=1", "--*=1"})
    EXPECT_THAT(refusal_of({odd}), IsUsageError()) << odd;
  EXPECT_THAT(refusal_of({"--n_gen="}), IsUsageError("--n_gen"));
  EXPECT_THAT(refusal_of({"--n_gen", "1", "--n-gen", "2"}), IsUsageError("--n_gen"));
  EXPECT_THAT(refusal_of({"--n_gen", "0"}), IsUsageError("--n_gen", "[1, 1000000]", "\"0\""));
  EXPECT_THAT(refusal_of({"-x"}), IsUsageError("-x"));
  EXPECT_THAT(refusal_of({"--quiet=perhaps"}), IsUsageError("--quiet", "\"perhaps\""));
}

TEST(Line, AValueOfAPluginMayBeNegative) {
  EXPECT_THAT(refusal_of({"--temp", "-1"}), IsUsageError("--temp", "[0, inf)", "\"-1\""));
  EXPECT_THAT(refusal_of({"--top_p", "1", "-1"}), IsUsageError("-1"));
}

TEST(Line, LettersMayStandTogether) {
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"-qn", "3"}, {"-qn3"}, {"-q", "-n3"}, {"-qn", "3", "-p", "-qn"}}) {
    const Configuration c(kCore, line);
    EXPECT_TRUE(c.values().flag("quiet")) << line[0];
    EXPECT_EQ(c.values().integer("max_new_tokens"), 3) << line[0];
    EXPECT_EQ(c.list("prompt").size(), line.size() / 4) << line[0];
  }
  EXPECT_THAT(refusal_of({"-qx"}), IsUsageError("-x"));
  EXPECT_THAT(refusal_of({"-qn"}), IsUsageError("--max_new_tokens"));
  EXPECT_THAT(refusal_of({"-qqn", "3"}), IsUsageError("-q"));
}

TEST(Line, PrefixesAreNotGuessed) { EXPECT_THAT(refusal_of({"--n_ge", "3"}), IsUsageError("--n_ge")); }

TEST(Names, PluginSlotAndAliasReachTheOption) {
  for (const char* name :
       {"--nucleus.top_p", "--nucleus.top-p", "--device-nucleus.top_p", "--sampler.top_p", "--top_p", "--top-p"}) {
    const Selection choice({name, "0.5"});
    EXPECT_EQ(choice.nucleus.values.real("top_p"), 0.5) << name;
    EXPECT_TRUE(choice.nucleus.values.given("top_p"));
  }
}

TEST(Names, AnAliasSetsEveryPluginThatDeclaresIt) {
  const Selection choice({"--out", "here"});
  EXPECT_EQ(choice.text.values.text("out"), "here");
  EXPECT_EQ(choice.logits.values.text("out"), "here");
}

TEST(Names, TheMoreExactNameWins) {
  const Selection choice({"--text.out", "there", "--out", "here"});
  EXPECT_EQ(choice.text.values.text("out"), "there");
  EXPECT_EQ(choice.logits.values.text("out"), "here");
}

TEST(Names, AnAmbiguousSlotListsTheFullNames) {
  const std::string refused = refusal_of({"--sink.out", "here"});
  EXPECT_THAT(refused, IsUsageError("--sink.out", "text.out, logits.out"));
  EXPECT_EQ(refusal_of({"--sink.format", "npy"}), "accepted");
}

TEST(Names, AnUnknownNameNamesTheNearest) {
  EXPECT_THAT(refusal_of({"--tpo_p", "1"}), IsUsageError("--tpo_p", "--top_p"));
  EXPECT_THAT(refusal_of({"--n_genn", "1"}), IsUsageError("--n_genn", "--n_gen"));
  EXPECT_THAT(refusal_of({"--nucleus.topp", "1"}), IsUsageError("--nucleus.topp", "--nucleus.top_p"));
  EXPECT_THAT(refusal_of({"--quite"}), IsUsageError("--quite", "--quiet"));
  EXPECT_THAT(refusal_of({"--zzzzzzzzzzzz", "1"}), IsUsageError("--zzzzzzzzzzzz", "--help"));
  // No alias: what it is called in full is nearer than what only looks like it.
  EXPECT_THAT(refusal_of({"--prefix", "1"}), IsUsageError("--prefix", "--sink.prefix"));
  EXPECT_THAT(refusal_of({"--top-k.top_k", "1"}), IsUsageError("--top-k.top_k"));  // there, but not chosen
}

TEST(Names, AnAliasWithoutATakerSaysWhatWasChosen) {
  EXPECT_THAT(refusal_of({"--min_p", "0.1"}), IsUsageError("--min_p", "sampler nucleus", "sink text"));
  EXPECT_THAT(refusal_of({"--top_p"}), IsUsageError("--top_p"));
}

TEST(Names, ValuesOfPluginsAreChecked) {
  EXPECT_THAT(refusal_of({"--top_p", "2"}), IsUsageError("--top_p", "(0, 1]", "\"2\""));
  EXPECT_THAT(refusal_of({"--nucleus.top_k", "many"}), IsUsageError("--nucleus.top_k", "whole", "\"many\""));
}

TEST(PluginList, NamesWithOptions) {
  const auto list = parse_plugin_list("top-k:top-k=5,nucleus:temp=0.5:top_p=1,text:prefix=\"a:b,\\\"c\"", "--sampler");
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].name, "top-k");
  EXPECT_THAT(list[0].options, ElementsAre(std::pair<std::string, std::string>("top_k", "5")));
  EXPECT_EQ(list[1].options.size(), 2u);
  EXPECT_EQ(list[2].options[0].second, "a:b,\"c");
  for (const PluginSpec& spec : list) {
    const auto again = parse_plugin_list(to_text(spec), "x");
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].options, spec.options);
  }
}

TEST(PluginList, MistakesAreNamed) {
  for (const char* bad : {"", ",", "a,", ",a", ":k=1"})
    EXPECT_THAT(refusal([&] { parse_plugin_list(bad, "--sink"); }), IsUsageError("--sink", in_quotes(bad))) << bad;
  for (const char* bad : {"a:", "a:k", "a:=1", "a:k:b=1"})
    EXPECT_THAT(refusal([&] { parse_plugin_list(bad, "--sink"); }), IsUsageError("--sink", "key=value")) << bad;
  EXPECT_THAT(refusal([&] { parse_plugin_list("a:k=\"b", "--sink"); }), IsUsageError("--sink"));
}

TEST(Instances, TheirOptionsWinWithinALayerAndAreChecked) {
  Configuration c(kCore, {"--top_p", "0.3"});
  BoundPlugin one(kNucleusPlugin, {"nucleus", {{"top_p", "0.5"}}}, Layer::command_line);
  BoundPlugin two(kNucleusPlugin, {"nucleus", {}}, Layer::command_line);
  BoundPlugin* const both[] = {&one, &two};
  c.bind(both, {});
  EXPECT_EQ(one.values.real("top_p"), 0.5);
  EXPECT_EQ(two.values.real("top_p"), 0.3);
  BoundPlugin bad(kNucleusPlugin, {"nucleus", {{"topp", "0.5"}}}, Layer::command_line);
  BoundPlugin* const only[] = {&bad};
  EXPECT_THAT(refusal([&] { Configuration(kCore, {}).bind(only, {}); }), IsUsageError("nucleus:topp"));
}

TEST_F(ConfigFile, LineBeatsFileBeatsDefault) {
  const std::string path =
      write("n_gen = 7\nmax-new-tokens = 2\ntop_k = 3\n[sampler]\ntop-p = 0.25\n[nucleus]\ntemp=0\n");
  Configuration c(kCore, {"--config", path, "--n_gen", "9", "--temp", "2"});
  EXPECT_EQ(c.values().integer("n_gen"), 9);
  EXPECT_EQ(c.values().integer("max_new_tokens"), 2);
  EXPECT_EQ(c.layer("max_new_tokens"), Layer::file);
  const Selection choice(std::move(c));
  EXPECT_EQ(choice.nucleus.values.integer("top_k"), 3);
  EXPECT_EQ(choice.nucleus.values.real("top_p"), 0.25);
  EXPECT_EQ(choice.nucleus.values.real("temp"), 2);  // an alias on the line, a full name in the file
}

TEST_F(ConfigFile, QuotedTextKeepsHashesBlanksAndLines) {
  const std::string path = write(
      "# a comment with a \" in it\nstop = \"C# is \"\nstop = \"a\\n\\\"#\\\"b\"  # why\nprompt = plain text # "
      "cut\nprompt = 5\" # 6\n");
  const Configuration c(kCore, {"--config", path});
  EXPECT_THAT(c.list("stop"), ElementsAre("C# is ", "a\n\"#\"b"));
  EXPECT_THAT(c.list("prompt"), ElementsAre("plain text", "5\""));
}

TEST_F(ConfigFile, ListsOfTheLineReplaceThoseOfTheFile) {
  const std::string path = write("prompt = a\nprompt = b\n");
  EXPECT_THAT(Configuration(kCore, {"--prompt", "c", "--config", path}).list("prompt"), ElementsAre("c"));
}

TEST_F(ConfigFile, OptionsOfPluginsNotChosenAreSkippedAloud) {
  const Selection choice({"--config", write("[top-k]\ntop_k = 5\n")});
  ASSERT_EQ(choice.skipped.size(), 1u);
  EXPECT_THAT(choice.skipped[0], IsMessage("a.ini", "top-k.top_k"));
  EXPECT_EQ(Selection({"--config", write("[elsewhere]\nany = 5\n")}).skipped.size(), 1u) << "cannot be asked here";
}

TEST_F(ConfigFile, AnOptionThatNoPluginHasIsAnError) {
  EXPECT_THAT(refusal_of({"--config", write("[sink]\nprefx = a\n")}),
              IsUsageError("a.ini", "sink.prefx", "--sink.prefix"));
  EXPECT_THAT(refusal_of({"--config", write("[nucleus]\ntop_q = 1\n")}),
              IsUsageError("a.ini", "nucleus.top_q", "--nucleus.top_k"));
  EXPECT_THAT(refusal_of({"--config", write("[top-k]\ntop_l = 1\n")}),
              IsUsageError("a.ini", "top-k.top_l", "--top_k.top_k"));
  EXPECT_THAT(refusal_of({"--config", write("[loader]\nzzzzzz = 1\n")}), IsUsageError("a.ini", "loader.zzzzzz"));
}

TEST_F(ConfigFile, MistakesNameTheFile) {
  for (const char* bad : {"hello\n", "[x]\nhello\n", "= 3\n"})
    EXPECT_THAT(refusal_of({"--config", write(bad)}), IsUsageError("a.ini")) << bad;
  EXPECT_THAT(refusal_of({"--config", write("n_gen = 0\n")}), IsUsageError("a.ini", "n_gen", "[1, 1000000]", "\"0\""));
  EXPECT_THAT(refusal_of({"--config", write("[nucleus]\ntop_p = 3\n")}),
              IsUsageError("a.ini", "nucleus.top_p", "(0, 1]", "\"3\""));
  EXPECT_THAT(refusal_of({"--config", write("ngen = 3\n")}), IsUsageError("a.ini", "ngen", "--n_gen"));
  EXPECT_THAT(refusal_of({"--config", write("config = other.ini\n")}), IsUsageError("a.ini"));
  EXPECT_THAT(refusal_of({"--config", write("stop = \"open\n")}), IsUsageError("a.ini", "JSON"));
  EXPECT_THAT(refusal_of({"--config", write(std::string("stop = \"a\"\0x\n", 13))}),
              IsUsageError("a.ini", "\"\"a\"\\x00x\""));
  EXPECT_THAT(refusal_of({"--config", "/nowhere/a.ini"}),
              IsMessage("[1]", "--config /nowhere/a.ini", "No such file or directory"));
  EXPECT_THAT(refusal_of({"--config", "/"}), IsMessage("[1]", "--config /"));
  EXPECT_THAT(refusal_of({"--config", write("{\"a\": 1}")}), IsMessage("[1]", "a.ini", "\"gpt2run\""));
}

TEST_F(ConfigFile, EmptyOnesAndByteOrderMarksAreFine) {
  EXPECT_EQ(refusal_of({"--config", "/dev/null"}), "accepted");
  EXPECT_EQ(Configuration(kCore, {"--config", write("\xEF\xBB\xBFn_gen = 9\r\n")}).values().integer("n_gen"), 9);
}

TEST_F(ConfigFile, AManifestGivesBackWhatItRecorded) {
  Manifest m;
  m.options = {
      {"n_gen", "12", "int"}, {"stop", "a#b", "text"}, {"stop", "\xc3\xa4\n", "text"}, {"quiet", "on", "bool"}};
  m.plugins = {{"sampler", "top-k", "top-k", "host", "1", "f", "h", {{"top_k", "5", "int"}}},
               {"sampler",
                "device-nucleus",
                "nucleus",
                "host",
                "1",
                "f",
                "h",
                {{"temp", "0.1", "real"}, {"note", "a:b,\"", "text"}}}};
  m.prompts = {{"hi", {1, 2}}};
  const Configuration c(kCore, {"--config", write(m.to_json())});
  EXPECT_EQ(c.values().integer("n_gen"), 12);
  EXPECT_TRUE(c.values().flag("quiet"));
  EXPECT_THAT(c.list("stop"), ElementsAre("a#b", "\xc3\xa4\n"));
  ASSERT_NE(c.recorded(), nullptr);
  EXPECT_EQ(c.recorded()->prompts[0].tokens, (std::vector<int32_t>{1, 2}));
  const auto chain = parse_plugin_list(c.values().text("sampler"), "x");
  ASSERT_EQ(chain.size(), 2u);
  EXPECT_EQ(chain[1].name, "device-nucleus");
  EXPECT_EQ(chain[1].options[0].second, "0.1");
  EXPECT_EQ(chain[1].options[1].second, "a:b,\"");
}

TEST_F(ConfigFile, AManifestThatIsNotOneSaysWhere) {
  Manifest m;
  m.options = {{"n_gen", "12", "int"}};
  m.plugins = {{"sampler", "nucleus", "nucleus", "host", "1", "f", "h", {{"top_k", "5", "int"}}}};
  m.prompts = {{"hi", {1, 2}}};
  const std::string good = m.to_json();
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return refusal_of({"--config", write(text)});
  };
  const auto expect = [&](const std::string& from, const std::string& to, const auto&... words) {
    EXPECT_THAT(refused(from, to), IsMessage("[1]", "a.ini", words...)) << to;
  };
  expect("\"sampler\"", "\"zzz\"", "plugins[0].kind", "\"zzz\"");
  expect("\"abi\": 0", "\"abi\": -1", "gpt2run.abi", "[0, 4294967295]", "-1");
  expect("\"abi\": 0", "\"abi\": 1e99", "gpt2run.abi", "1e99");
  expect("\"abi\": 0", "\"abi\": 1e999", "JSON");
  expect("\"abi\": 0", "\"abi\": 18446744073709551615", "gpt2run.abi", "18446744073709551615");
  expect("\"abi\"", "\"ab\"", "gpt2run", "\"abi\"");
  expect("\"n_gen\": 12", "\"n_gen\": null", "options.n_gen", "null");
  expect("\"n_gen\": 12", "\"n_gen\": [[1]]", "options.n_gen[0]", "list");
  expect("\"n_gen\": 12", "\"n_gen\": 12,", "\"}\"", "104", "line 9", "column 3");
  expect("\"hi\"", "3", "prompts[0].text", "3");
  expect("\"hi\"", "\"\xff\"", "JSON", "\"\\xff\"\"");
  expect("1,", "-1,", "prompts[0].tokens[0]", "[0, 2147483647]", "-1");
  expect("1,", "1.5,", "prompts[0].tokens[0]", "1.5");
  expect("\"hash\": \"h\"", "\"hash\": {}", "plugins[0].hash");
  expect("\"prompts\": ", "\"prompts\": [], \"more\": ", "prompts");
  EXPECT_THAT(refused(good, std::string(100000, '[').insert(0, "{\"a\":")), IsMessage("[1]", "a.ini", "1000"));
}

TEST_F(ConfigFile, ZeroBytesDoNotCutAPath) {
  EXPECT_THAT(refusal_of({"--config", write("[text]\nout = \"a\\u0000b\"\n")}), IsUsageError("a.ini", "text.out"));
  EXPECT_THAT(refusal_of({"--config", write("sampler = \"a\\u0000b\"\n")}), IsUsageError("a.ini", "sampler"));
}

TEST(Help, EveryOptionIsThereWithItsRange) {
  const std::string help = help_of(kCore) + help_of(kNucleusPlugin);
  EXPECT_THAT(help, HasSubstr("-n, --max_new_tokens"));
  EXPECT_THAT(help, HasSubstr("--nucleus.top_p"));
  EXPECT_THAT(help, HasSubstr("real (0, 1], default 0.8"));
}

}  // namespace
}  // namespace gpt2run
