// Checks who can write a plugin's file. A plugin runs with the user's rights and without a sandbox, so a file that
// another user owns or can write is refused before it is opened.
#pragma once
#include <filesystem>

namespace gpt2run {

// Throws Error naming the path and the reason unless the file, with links resolved, is a regular file that can be
// trusted: only root and the effective user can write it, and nobody else can make its path lead to another file. The
// file, every folder on the way to it, and every link with its folder must belong to root or the effective user, and
// must not be writable by everyone, nor by a group other than root's and the user's own, of his name and without other
// members. A folder further up may be writable by others only with the sticky bit, as /tmp is; one that the program
// itself lies in is not judged. The answer stays true until root or the user changes something, so the file may be
// opened by its path afterwards.
void check_trust(const std::filesystem::path& file);

}  // namespace gpt2run
