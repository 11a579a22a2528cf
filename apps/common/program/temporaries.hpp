// Removes the temporary files of a process that ends without its destructors: by a signal, or out of memory. Everything
// here but note_output_folder() may be called in a signal handler.
#pragma once
#include <filesystem>

namespace gpt2run {

// Remembers a folder in which OutputFile may have temporary files that are not open. Open ones are found without it.
// One thread at a time. Of more than 16 folders the rest is not remembered.
void note_output_folder(const std::filesystem::path& folder);

// Removes all temporary files of this process that are open or in a folder that was noted.
void remove_temporaries() noexcept;

// Removes the files in a folder whose names begin with "." and end in `ending`.
void remove_temporaries_in(const char* folder, const char* ending) noexcept;

}  // namespace gpt2run
