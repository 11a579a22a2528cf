// Standard input, output and error of a program that may have been started without them.
#pragma once

namespace gpt2run {

// A closed standard file must not be handed to the next file that is opened. It is replaced by one that refuses its
// use, so that reading or writing it is still an error; messages are lost. Call it first in main(); false: impossible.
bool occupy_standard_files();

}  // namespace gpt2run
