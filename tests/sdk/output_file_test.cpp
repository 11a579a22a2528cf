// What OutputFile may replace, and whose the new file is.
#include "gpt2run/sdk/output_file.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "support/program.hpp"

namespace {

int syncs_of_files = 0, syncs_of_folders = 0;

}  // namespace

// Takes the place of the C library's.
extern "C" int fsync(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return -1;
  ++(S_ISDIR(status.st_mode) ? syncs_of_folders : syncs_of_files);
  return 0;
}

namespace gpt2run::test {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
constexpr gid_t kUsers = 100;

class OutputFiles : public testing::Test {
 protected:
  static void write(const fs::path& path) {
    OutputFile file(path);
    file.write("new");
    file.publish();
  }
  static std::string refusal_of(const fs::path& path) {
    return error_of([&] { write(path); });
  }

  ScratchFolder scratch_;
};

// What a stranger puts into /tmp must not lead to a file of the user's.
TEST_F(OutputFiles, AStrangersLinkInASharedFolderIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a link of another user";
  const fs::path shared = scratch_.folder("shared"), link = shared / "link";
  const fs::path own = scratch_.file("own", "old"), folder = shared / "folder";
  ASSERT_EQ(chmod(shared.c_str(), 01777), 0);
  fs::create_symlink(own, link);
  fs::create_symlink(scratch_.path(), folder);
  ASSERT_EQ(lchown(link.c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(lchown(folder.c_str(), kNobody, kNobody), 0);
  EXPECT_THAT(refusal_of(link), IsMessage(link.string() + ":", "65534", "everyone"));
  EXPECT_THAT(refusal_of(folder / "own"), IsMessage((folder / "own").string() + ":", "65534", "everyone"));
  const fs::path chain = scratch_.path() / "chain";
  fs::create_symlink(link, chain);
  EXPECT_THAT(refusal_of(chain), IsMessage(chain.string() + ":", "65534", "everyone"));
  EXPECT_EQ(read_whole(own), "old");
  // The folder's owner may lead others elsewhere, and a folder that is not shared is nobody else's business.
  ASSERT_EQ(chown(shared.c_str(), kNobody, kNobody), 0);
  EXPECT_EQ(refusal_of(chain), "no error");
  ASSERT_EQ(chown(shared.c_str(), 0, 0), 0);
  ASSERT_EQ(chmod(shared.c_str(), 0755), 0);
  EXPECT_EQ(refusal_of(folder / "own"), "no error");
  EXPECT_EQ(read_whole(own), "new");
}

TEST_F(OutputFiles, TheUsersOwnLinkInASharedFolderIsFollowed) {
  const fs::path shared = scratch_.folder("shared"), own = scratch_.file("own", "old");
  ASSERT_EQ(chmod(shared.c_str(), 01777), 0);
  fs::create_symlink("../own", shared / "link");
  EXPECT_EQ(refusal_of(shared / "link"), "no error");
  EXPECT_EQ(read_whole(own), "new");
  EXPECT_TRUE(fs::is_symlink(shared / "link"));
}

TEST_F(OutputFiles, AStrangersFileBecomesTheUsersAndLosesItsSetIdBits) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const fs::path file = scratch_.file("file", "old");
  ASSERT_EQ(chown(file.c_str(), kNobody, kUsers), 0);
  ASSERT_EQ(chmod(file.c_str(), 06755), 0);
  write(file);
  struct stat status;
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0u);
  EXPECT_EQ(status.st_gid, kUsers);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
  EXPECT_EQ(read_whole(file), "new");
}

TEST_F(OutputFiles, AUsersOwnFileLosesItsSetIdBitsToo) {
  const fs::path file = scratch_.file("file", "old");
  ASSERT_EQ(chmod(file.c_str(), 06711), 0);
  write(file);
  struct stat status;
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0711u);
}

TEST_F(OutputFiles, ThatAppearTogetherAreBroughtToTheDiskOnceAndTheirFoldersOnce) {
  setenv("GPT2RUN_FSYNC", "1", 1);
  syncs_of_files = syncs_of_folders = 0;
  OutputFile files[] = {OutputFile(scratch_.path() / "a/1"), OutputFile(scratch_.path() / "b/2"),
                        OutputFile(scratch_.path() / "a/3")};
  OutputFile* const all[] = {&files[0], &files[1], &files[2]};
  for (OutputFile& file : files) file.write("new");
  EXPECT_FALSE(fs::exists(scratch_.path() / "b/2"));
  OutputFile::publish_all(all);
  EXPECT_EQ(syncs_of_files, 3);
  EXPECT_EQ(syncs_of_folders, 2);
  for (const char* name : {"a/1", "b/2", "a/3"}) EXPECT_EQ(read_whole(scratch_.path() / name), "new") << name;
  setenv("GPT2RUN_FSYNC", "garbage", 1);
  EXPECT_THAT(refusal_of(scratch_.path() / "4"), IsMessage("GPT2RUN_FSYNC:", "0", "1", "\"garbage\""));
  setenv("GPT2RUN_FSYNC", "0", 1);
  EXPECT_EQ(refusal_of(scratch_.path() / "4"), "no error");
  EXPECT_EQ(syncs_of_files, 3);
}

TEST_F(OutputFiles, PathsAreResolvedAsTheSystemDoes) {
  const fs::path folder = scratch_.folder("a/b");
  const auto target = [&](const fs::path& path) { return OutputFile::target_of(scratch_.path() / path); };
  fs::create_symlink("a/b", scratch_.path() / "link");
  fs::create_symlink("missing", scratch_.path() / "nowhere");
  EXPECT_EQ(target("link/file"), folder / "file");
  EXPECT_EQ(target("link/../file"), scratch_.path() / "a/file");
  EXPECT_EQ(target("./a//b/./x/y"), folder / "x/y");
  EXPECT_EQ(target("nowhere"), scratch_.path() / "missing");
  EXPECT_EQ(target("a/"), scratch_.path() / "a");
  EXPECT_FALSE(target("new/").has_filename());
  fs::create_symlink("loop", scratch_.path() / "loop");
  EXPECT_THAT(refusal_of(scratch_.path() / "loop"), IsMessage("loop:", "links"));
  EXPECT_THAT(refusal_of(scratch_.path() / "new/../file"), IsMessage("new/../file:", "No such file"));
  scratch_.file("file");
  EXPECT_THAT(refusal_of(scratch_.path() / "file/"), IsMessage("file/:", "Not a directory"));
  EXPECT_THAT(refusal_of(scratch_.path() / "file/x"), IsMessage("file/x:", "Not a directory"));
}

}  // namespace
}  // namespace gpt2run::test
