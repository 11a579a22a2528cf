// The hash of files, by which a manifest knows plugins again.
#include "gpt2run/files/fingerprint.hpp"

#include <gmock/gmock.h>

#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "support/program.hpp"

namespace gpt2run {
namespace {

using test::error_of;
using test::IsMessage;

TEST(Hash, IsThatOfAllBytes) {
  const test::ScratchFolder folder;
  std::string bytes(200'001, 'x');
  const std::string path = folder.file("a", bytes).string(), before = hash_of_file(path);
  bytes.back() = 'y';
  folder.file("a", bytes);
  EXPECT_NE(hash_of_file(path), before);
  EXPECT_EQ(hash_of_file("/dev/null"), Fingerprint().hex());
}

// A hash of what could be read until then would be taken for the plugin's.
TEST(Hash, AFileThatCannotBeReadHasNone) {
  EXPECT_THAT(error_of([] { hash_of_file("/"); }), IsMessage("/:", "Is a directory"));
  EXPECT_THAT(error_of([] { hash_of_file("/proc/self/mem"); }), IsMessage("/proc/self/mem", "Input/output error"));
  EXPECT_THAT(error_of([] { hash_of_file("/nowhere"); }), IsMessage("/nowhere", "No such file or directory"));
}

}  // namespace
}  // namespace gpt2run
