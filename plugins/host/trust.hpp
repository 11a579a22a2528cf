// Checks who can write a plugin's file. A plugin runs with the user's rights and without a sandbox, so a file that
// another user owns or can write is refused before it is opened.
#pragma once
#include <filesystem>

namespace gpt2run {

// Throws Error naming the path and the reason unless the file, with links resolved, is a regular file that can be
// trusted. The file, its folder, and the folder of a link to it must belong to root or the effective user, and must not
// be writable by everyone. A folder further up may be writable by everyone only with the sticky bit, as /tmp is. Write
// permission for a group is left to the user.
void check_trust(const std::filesystem::path& file);

}  // namespace gpt2run
