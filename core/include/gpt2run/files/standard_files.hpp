// Replacements for standard input, output and error in a program that was started without them.
#pragma once

namespace gpt2run {

// Opens a placeholder for each closed standard file, so that the next file to be opened does not get its number.
// Reading or writing a placeholder is still an error, and messages are lost. Call this first in main(). Returns false
// if the system refuses.
bool occupy_standard_files();

}  // namespace gpt2run
