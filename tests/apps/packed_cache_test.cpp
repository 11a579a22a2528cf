// Packed weights within one program: what is kept is found by later sessions and written once, a model that changes
// while it is opened spoils nothing, and what a killed process has left is removed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <unistd.h>

#include <thread>

#include "common/pipeline/packed_model.hpp"
#include "gpt2run/error.hpp"
#include "support/plugin.hpp"
#include "support/program.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

constexpr char kLayout[] = "type=fp32:rows";

// Reads every path as the same model. during: called when the file is open.
class AnyLoader final : public Loader {
 public:
  explicit AnyLoader(std::function<void()> during = {}) : during_(std::move(during)) {}
  int probe(const char*) const override { return 1; }
  std::unique_ptr<Checkpoint> open(const char*) override {
    if (during_) during_();
    return std::make_unique<test::TinyCheckpoint>();
  }

 private:
  std::function<void()> during_;
};

class PackedCacheInside : public testing::Test {
 protected:
  PackedCacheInside() {
    model_ = scratch_.file("model.safetensors", "the first model").string();
    setenv("GPT2RUN_CACHE", cache().c_str(), 1);
  }
  ~PackedCacheInside() override { unsetenv("GPT2RUN_CACHE"); }

  fs::path cache() const { return scratch_.path() / "cache"; }

  // As an editor does it: the new file gets the name of the old one, which stays for those who have it open.
  void replace_model() const { fs::rename(scratch_.file("new", "the second one"), model_); }

  std::unique_ptr<Checkpoint> open(std::function<void()> during = {}) const {
    AnyLoader loader(std::move(during));
    const Plugin& plugin = test::load_plugin(Kind::loader, "huggingface");
    return open_model(loader, BoundPlugin(plugin, {plugin.name, {}}, Layer::fallback), model_);
  }

  // What a session does that finds nothing.
  static void keep(const Checkpoint& checkpoint, const std::string& values) {
    const PackedPart part{Weight::wte, 0, kLayout, {values.data(), values.size()}};
    checkpoint.keep_packed({&part, 1});
  }
  static std::string found(const Checkpoint& checkpoint) {
    const PackedWeights packed = checkpoint.packed(Weight::wte, 0, kLayout);
    return packed.data ? std::string(static_cast<const char*>(packed.data), packed.bytes) : "nothing";
  }

  static std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none)) names.push_back(entry.path().filename().string());
    return names;
  }

  test::ScratchFolder scratch_;
  std::string model_;
};

TEST_F(PackedCacheInside, LaterSessionsFindWhatOneHasPacked) {
  const auto checkpoint = open();
  EXPECT_EQ(found(*checkpoint), "nothing");
  keep(*checkpoint, "values");
  EXPECT_EQ(found(*checkpoint), "values");
  EXPECT_EQ(found(*open()), "values");
}

TEST_F(PackedCacheInside, WhatIsThereIsNotWrittenAgain) {
  const auto one = open(), other = open();
  keep(*one, "values");
  keep(*other, "VALUES");
  EXPECT_EQ(found(*other), "values");
  keep(*other, "more values");  // not what is there
  EXPECT_EQ(found(*open()), "more values");
  EXPECT_EQ(names_in(cache()).size(), 1u);
}

TEST_F(PackedCacheInside, AModelThatIsReplacedWhileItIsOpenedIsNotKept) {
  keep(*open([&] { replace_model(); }), "of the first");
  EXPECT_EQ(found(*open()), "nothing");
}

TEST_F(PackedCacheInside, AModelThatIsReplacedBeforeItIsPackedIsNotKept) {
  const auto first = open();
  replace_model();
  keep(*first, "of the first");
  EXPECT_EQ(found(*open()), "nothing");
  EXPECT_THAT(names_in(cache()), testing::IsEmpty());
}

TEST_F(PackedCacheInside, APackedFolderWhoseSourceIsReplacedWhileItIsOpenedIsRefused) {
  const std::string values = "values";
  const PackedPart part{Weight::wte, 0, kLayout, {values.data(), values.size()}};
  const fs::path folder = scratch_.path() / "packed";
  write_packed_folder(folder, look_at_source(model_, "huggingface"), {&part, 1});
  model_ = folder.string();
  EXPECT_EQ(found(*open()), "values");
  const std::string source = (scratch_.path() / "model.safetensors").string();
  EXPECT_THROW(open([&] { fs::rename(scratch_.file("new", "the second one"), source); }), Error);
}

TEST_F(PackedCacheInside, ThreadsWriteTheSameFolder) {
  const std::string values(1 << 20, 'x');
  const PackedPart part{Weight::wte, 0, kLayout, {values.data(), values.size()}};
  const PackedSource source = look_at_source(model_, "any");
  const fs::path folder = scratch_.path() / "some" / "packed";
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) EXPECT_NO_THROW(write_packed_folder(folder, source, {&part, 1}));
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(PackedFolder(folder).find(Weight::wte, 0, kLayout).bytes, values.size());
  EXPECT_EQ(names_in(folder.parent_path()), std::vector<std::string>{"packed"});
}

TEST_F(PackedCacheInside, WhatAKilledProcessHasLeftIsRemoved) {
  const auto checkpoint = open();
  const std::string name(24, 'a'), other = "." + name + "-0123456789abcdef.";
  for (const std::string& gone : {other + "77-012345673.tmp", other + "77-0123456712.tmp.old"})
    scratch_.file(scratch_.folder("cache/" + gone).string() + "/packed.bin", "part");
  const std::string locked = other + "78-012345670.tmp";
  const std::vector<std::string> foreign = {".notes.tmp", "notes.77-012345670.tmp", ".notes.77-012345670.tmp",
                                            other + "-01234567.tmp", other + "77-0123456g.tmp"};
  for (const std::string& one : foreign) scratch_.folder("cache/" + one);
  const int fd = ::open(scratch_.folder("cache/" + locked).c_str(), O_RDONLY);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  fs::create_directory_symlink(scratch_.folder("elsewhere"), cache() / (other + "79-012345670.tmp"));
  keep(*checkpoint, "values");
  EXPECT_EQ(found(*open()), "values");
  std::vector<std::string> expected = foreign;
  expected.insert(expected.end(), {locked, other + "79-012345670.tmp"});
  std::vector<std::string> names = names_in(cache());
  std::erase_if(names, [](const std::string& one) { return one.size() == 41; });
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(expected));
  EXPECT_TRUE(fs::exists(scratch_.path() / "elsewhere"));
  close(fd);
}

TEST_F(PackedCacheInside, OfANamedFolderOnlyItsOwnRemainsAreRemoved) {
  const std::string values = "values";
  const PackedPart part{Weight::wte, 0, kLayout, {values.data(), values.size()}};
  for (const char* one : {".p.77-012345673.tmp", ".p.77-012345673.tmp.old", ".q.77-012345673.tmp"})
    scratch_.folder(one);
  write_packed_folder(scratch_.path() / "p", look_at_source(model_, "any"), {&part, 1});
  EXPECT_THAT(names_in(scratch_.path()),
              testing::UnorderedElementsAre("p", ".q.77-012345673.tmp", "model.safetensors"));
}

TEST(PackedFolderPath, HasNoSlashAtItsEnd) {
  for (const auto& [given, expected] :
       {std::pair("a/b/", "a/b"), std::pair("a/b//", "a/b"), std::pair("a/b/.", "a/b"), std::pair("a/b/./", "a/b"),
        std::pair("b/", "b"), std::pair("b", "b"), std::pair("/", "/"), std::pair(".", "."), std::pair("..", ".."),
        std::pair("/b/", "/b")})
    EXPECT_EQ(without_last_slash(given), fs::path(expected)) << given;
}

}  // namespace
}  // namespace gpt2run
