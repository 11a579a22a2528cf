// Whose plugins are opened: owners, modes and links.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/plugin_folders.hpp"
#include "host/trust.hpp"
#include "support/messages.hpp"

namespace gpt2run::test {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
constexpr gid_t kUsers = 100;

class Trust : public testing::Test {
 protected:
  Trust() : folder_(scratch_.folder("plugins")), file_(folder_ / "gpt2run-sampler-good.so") {
    fs::copy_file(fixture_file("good"), file_);
    mode(file_, 0755);
    mode(folder_, 0755);
  }
  static void mode(const fs::path& path, mode_t bits) { ASSERT_EQ(chmod(path.c_str(), bits), 0) << path; }
  static std::string verdict(const fs::path& file) {
    return error_of([&] { check_trust(file); });
  }

  ScratchFolder scratch_;
  fs::path folder_, file_;
};

TEST_F(Trust, TheUsersOwnFileUnderASharedFolderWithStickyBit) { EXPECT_EQ(verdict(file_), "no error"); }

// Root's group, and that of a user alone. Whoever runs the tests may be in a group with others.
TEST_F(Trust, RootsGroupMayWrite) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file to root's group";
  mode(file_, 0775);
  mode(folder_, 0775);
  EXPECT_EQ(verdict(file_), "no error");
}

TEST_F(Trust, AGroupOfOthersMayNot) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file to any group";
  mode(file_, 0775);
  ASSERT_EQ(chown(file_.c_str(), 0, kUsers), 0);
  EXPECT_THAT(verdict(file_), IsMessage(file_.string() + ":", "file", "group 100"));
  mode(file_, 0755);
  EXPECT_EQ(verdict(file_), "no error");
  ASSERT_EQ(chown(folder_.c_str(), 0, kUsers), 0);
  mode(folder_, 0775);
  EXPECT_THAT(verdict(file_), IsMessage(folder_.string() + ":", "folder", "group 100"));
  mode(folder_, 0755);
  ASSERT_EQ(chown(scratch_.path().c_str(), 0, kUsers), 0);
  mode(scratch_.path(), 0775);
  EXPECT_THAT(verdict(file_), IsMessage(scratch_.path().string() + " ", "group 100"));
  mode(scratch_.path(), 01775);
  EXPECT_EQ(verdict(file_), "no error");
}

TEST_F(Trust, AUsersOwnGroupMayWrite) {
  const struct passwd* const user = getpwnam("daemon");  // has a group of the same name, without members
  if (geteuid() != 0 || !user) GTEST_SKIP() << "only root can become the user daemon";
  const uid_t uid = user->pw_uid;
  const gid_t gid = user->pw_gid;
  mode(scratch_.path(), 0755);
  mode(file_, 0775);
  const auto verdict_of_user = [&](gid_t group) {
    EXPECT_EQ(chown(file_.c_str(), uid, group), 0);
    EXPECT_EQ(setegid(gid) + seteuid(uid), 0);
    std::string found = verdict(file_);
    EXPECT_EQ(seteuid(0) + setegid(0), 0);
    return found;
  };
  EXPECT_EQ(verdict_of_user(gid), "no error");
  EXPECT_THAT(verdict_of_user(kUsers), IsMessage(file_.string() + ":", "file", "group 100"));
}

TEST_F(Trust, AFileThatEveryoneCanWrite) {
  mode(file_, 0757);
  EXPECT_THAT(verdict(file_), IsMessage(file_.string(), "file", "everyone"));
}

TEST_F(Trust, AFolderThatEveryoneCanWrite) {
  for (const mode_t bits : {0757, 01777}) {
    mode(folder_, bits);
    EXPECT_THAT(verdict(file_), IsMessage(folder_.string() + ":", "folder", "everyone"));
  }
}

TEST_F(Trust, AFolderAboveThatEveryoneCanWrite) {
  mode(scratch_.path(), 0757);
  EXPECT_THAT(verdict(file_), IsMessage(scratch_.path().string() + " ", "everyone"));
  mode(scratch_.path(), 01777);
  EXPECT_EQ(verdict(file_), "no error");
}

TEST_F(Trust, IsAskedBeforeALibraryIsOpened) {
  mode(file_, 0757);
  PluginHost host({folder_});
  EXPECT_THAT(error_of([&] { host.get(Kind::sampler, "good"); }), IsMessage(file_.string(), "file", "everyone"));
}

TEST_F(Trust, LinksAreJudgedByWhatTheyLeadTo) {
  const fs::path other = scratch_.folder("other"), link = other / "gpt2run-sampler-good.so";
  fs::create_symlink(file_, link);
  EXPECT_EQ(verdict(link), "no error");
  mode(other, 0757);
  EXPECT_THAT(verdict(link), IsMessage(other.string() + ":", "everyone"));
  mode(other, 0755);
  mode(folder_, 0757);
  EXPECT_THAT(verdict(link), IsMessage(folder_.string() + ":", "everyone"));
  fs::remove(file_);
  EXPECT_THAT(verdict(link), IsMessage(link.string()));
}

// Each link of a chain and the folder that it lies in.
TEST_F(Trust, EveryLinkOfAChainIsJudged) {
  const fs::path open = scratch_.folder("open"), named = scratch_.folder("named");
  const fs::path first = named / "gpt2run-sampler-good.so", second = open / "second";
  fs::create_symlink(second, first);
  fs::create_symlink("../plugins/gpt2run-sampler-good.so", second);
  mode(open, 0755);
  EXPECT_EQ(verdict(first), "no error");
  mode(open, 0777);
  EXPECT_THAT(verdict(first), IsMessage(open.string(), "everyone"));
  mode(open, 0755);
  fs::remove(second);
  fs::create_symlink(open / "folder/gpt2run-sampler-good.so", second);
  fs::create_symlink(folder_, open / "folder");
  EXPECT_EQ(verdict(first), "no error");
  mode(open, 0777);
  EXPECT_THAT(verdict(first), IsMessage(open.string(), "everyone"));
  fs::remove(second);
  fs::create_symlink(second, second);
  mode(open, 0755);
  EXPECT_THAT(verdict(first), IsMessage(first.string(), "links"));
}

TEST_F(Trust, ForeignLinksAndFoldersAbove) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const fs::path shared = scratch_.folder("shared"), link = shared / "plugins";
  fs::create_symlink(folder_, link);
  mode(shared, 01777);
  EXPECT_EQ(verdict(link / file_.filename()), "no error");
  ASSERT_EQ(lchown(link.c_str(), kNobody, kNobody), 0);
  EXPECT_THAT(verdict(link / file_.filename()), IsMessage(link.string() + ":", "link", "65534"));
  ASSERT_EQ(chown(scratch_.path().c_str(), kNobody, kNobody), 0);
  mode(scratch_.path(), 0755);
  EXPECT_THAT(verdict(file_), IsMessage(scratch_.path().string() + ":", "folder", "65534"));
}

TEST_F(Trust, ForeignOwners) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(chown(file_.c_str(), kNobody, kNobody), 0);
  EXPECT_THAT(verdict(file_), IsMessage(file_.string(), "file", "65534", "0"));
  ASSERT_EQ(chown(file_.c_str(), 0, 0), 0);
  ASSERT_EQ(chown(folder_.c_str(), kNobody, kNobody), 0);
  EXPECT_THAT(verdict(file_), IsMessage(folder_.string(), "folder", "65534"));
}

TEST_F(Trust, RootsFilesAreEverybodysAndAUsersAreHisOwn) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  mode(scratch_.path(), 0755);
  ASSERT_EQ(seteuid(kNobody), 0);
  const std::string roots = verdict(file_);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(roots, "no error");
  ASSERT_EQ(chown(folder_.c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(chown(file_.c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(seteuid(kNobody), 0);
  const std::string own = verdict(file_);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(own, "no error");
}

}  // namespace
}  // namespace gpt2run::test
