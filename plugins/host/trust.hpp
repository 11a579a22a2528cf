// Who could have put a plugin where it lies. A plugin runs with the user's rights, so a file that somebody else can
// write or owns is refused before it is opened. There is no sandbox behind this.
#pragma once
#include <filesystem>

namespace gpt2run {

// Throws Error with path and reason unless the file (links resolved) is a regular file and it, its folder and the
// folder where a link to it lies belong to root or the effective user and are not writable by everyone. A folder
// further up may be writable by everyone only with the sticky bit, as /tmp is. Group write is the user's own choice.
void check_trust(const std::filesystem::path& file);

}  // namespace gpt2run
