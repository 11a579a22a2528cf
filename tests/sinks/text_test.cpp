// The text and null sinks: what a user reads, and what happens when it cannot be written.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "sinks/sink_fixture.hpp"

namespace gpt2run {
namespace {

using test::content_of;
using test::error_of;

// Standard output is another file while this lives.
class Redirected {
 public:
  explicit Redirected(int fd) : saved_(dup(STDOUT_FILENO)) {
    fflush(stdout);
    fd < 0 ? close(STDOUT_FILENO) : dup2(fd, STDOUT_FILENO);
  }
  ~Redirected() {
    dup2(saved_, STDOUT_FILENO);
    close(saved_);
  }

 private:
  int saved_;
};

class Text : public test::SinkTest {
 protected:
  static void tell(Sink& sink) {
    sink.begin("{}");
    sink.start(0, "Once upon", {});
    token(sink, 0, 0, " a");
    token(sink, 0, 1, " time");
    sink.finish(0, ",", "length");
  }
};

TEST_F(Text, IsThePromptThenTheContinuationThenANewline) {
  auto text = sink("text", {{"out", path("tale.txt")}});
  tell(*text);
  text->end("{}");
  EXPECT_EQ(content_of(path("tale.txt")), "Once upon a time,\n");
  EXPECT_EQ(test::PluginLog::instance().take(), std::vector<std::string>{"1 text: wrote " + path("tale.txt")});
}

TEST_F(Text, SeparatesSequences) {
  auto text = sink("text", {{"out", path("tale.txt")}});
  tell(*text);
  text->start(1, "There was", {});
  text->finish(1, "", "end_of_text");
  text->end("{}");
  EXPECT_EQ(content_of(path("tale.txt")), "Once upon a time,\n--- sequence 1\nThere was\n");
}

TEST_F(Text, EchoOffLeavesThePromptAway) {
  auto text = sink("text", {{"out", path("tale.txt")}, {"echo", "off"}});
  tell(*text);
  text->start(1, "There was", {});
  text->finish(1, "", "end_of_text");
  text->end("{}");
  EXPECT_EQ(content_of(path("tale.txt")), " a time,\n--- sequence 1\n\n");
}

TEST_F(Text, ReachesStandardOutputTokenByToken) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  const auto arrived = [&] {
    char bytes[256];
    const ssize_t count = read(ends[0], bytes, sizeof bytes);
    return std::string(bytes, count > 0 ? count : 0);
  };
  auto text = sink("text", {});
  std::vector<std::string> pieces;
  {
    const Redirected redirected(ends[1]);
    text->begin("{}");
    text->start(0, "Once", {});
    pieces.push_back(arrived());
    token(*text, 0, 0, " upon");
    pieces.push_back(arrived());
    text->finish(0, "!", "stop");
    text->end("{}");
    pieces.push_back(arrived());
  }
  EXPECT_EQ(pieces, (std::vector<std::string>{"Once", " upon", "!\n"}));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Text, NamesAStandardOutputThatTakesNothing) {
  auto text = sink("text", {});
  const auto error_on = [&](int fd) {
    const Redirected redirected(fd);
    return error_of([&] { tell(*text); });
  };
  const int full = open("/dev/full", O_WRONLY);
  EXPECT_EQ(error_on(full), "standard output: cannot write: No space left on device");
  close(full);
  EXPECT_EQ(error_on(-1), "standard output: cannot write: Bad file descriptor");

  const auto pipes = signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(error_on(ends[1]), "standard output: cannot write: Broken pipe");
  close(ends[1]);
  signal(SIGPIPE, pipes);
}

TEST_F(Text, NamesAFileThatCannotBeWritten) {
  std::ofstream(path("file")) << "not a folder";
  const auto error_with = [&](const std::string& out) {
    return error_of([&] { sink("text", {{"out", out}})->begin("{}"); });
  };
  const std::string inside = path("file") + "/tale.txt";
  EXPECT_NE(error_with(inside).find(inside + ": "), std::string::npos);
  const std::string folder = error_with(folder_);
  EXPECT_EQ(folder, folder_.string() + ": cannot be opened for writing: Is a directory");

  auto full = sink("text", {{"out", "/dev/full"}});
  tell(*full);
  EXPECT_EQ(error_of([&] { full->end("{}"); }), "/dev/full: cannot write: No space left on device");
}

TEST_F(Text, LeavesNothingBehindWithoutEnd) {
  std::ofstream(path("tale.txt")) << "an older tale";
  auto text = sink("text", {{"out", path("tale.txt")}});
  tell(*text);
  text.reset();
  EXPECT_EQ(files(), std::vector<std::string>{"tale.txt"});
  EXPECT_EQ(content_of(path("tale.txt")), "an older tale");
}

TEST_F(Text, WritesThroughLinksAndDevices) {
  std::ofstream(path("target.txt")) << "old";
  std::filesystem::create_symlink("target.txt", folder_ / "link.txt");
  auto text = sink("text", {{"out", path("link.txt")}});
  tell(*text);
  text->end("{}");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link.txt")));
  EXPECT_EQ(content_of(path("target.txt")), "Once upon a time,\n");

  auto null_device = sink("text", {{"out", "/dev/null"}});
  tell(*null_device);
  null_device->end("{}");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(Text, TwoSinksOfOneRunDoNotShareAFile) {
  std::filesystem::create_symlink("tale.txt", path("link.txt"));
  auto one = sink("text", {{"out", path("tale.txt")}}), two = sink("text", {{"out", path("link.txt")}});
  tell(*one);
  EXPECT_THROW(two->begin("{}"), Error);
  two.reset();
  one->end("{}");
  EXPECT_EQ(content_of(path("tale.txt")), "Once upon a time,\n");
}

TEST_F(Text, NullKeepsNothingAndTakesAnyOrder) {
  auto null = sink("null", {});
  EXPECT_EQ(null->wants(), uint32_t{kAnyOrder});
  null->start(5, "prompt", {});
  token(*null, 5, 0, "text");
  null->finish(5, "", "length");
  null->end("{}");
}

}  // namespace
}  // namespace gpt2run
