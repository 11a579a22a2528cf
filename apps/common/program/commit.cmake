# Writes the source file that tells --version the commit: git's HEAD of the folder SOURCE, or in an archive of the sources
# the commit in commit.txt, which git writes there when it makes the archive, or "unknown". It is built into the programs
# alone, as one small file, so that a new commit compiles and links little.
#   cmake -D SOURCE=<top folder> -D OUT=<file> -P commit.cmake
cmake_minimum_required(VERSION 3.25)

set(commit "")
if(EXISTS ${SOURCE}/.git)
  # The folder may belong to another user, as in a container; only the commit is read.
  execute_process(COMMAND git -c safe.directory=${SOURCE} -C ${SOURCE} rev-parse --verify HEAD OUTPUT_VARIABLE commit
                  ERROR_QUIET RESULT_VARIABLE failed)
else()
  file(READ ${SOURCE}/apps/common/program/commit.txt commit)
endif()
string(REGEX MATCH "^[0-9a-f]+" commit "${commit}")
string(SUBSTRING "${commit}" 0 12 commit)
if(NOT commit)
  set(commit unknown)
endif()
file(WRITE ${OUT} "// The commit of this build, for --version.
#include \"common/program/program.hpp\"

namespace {
[[maybe_unused]] const bool kTold = (gpt2run::set_commit(\"${commit}\"), true);
}
")
