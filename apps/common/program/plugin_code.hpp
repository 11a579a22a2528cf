// Where the code of opened plugins lies in memory, to tell whose code was running when a program ends before its work
// is done.
#pragma once
#include <filesystem>

namespace gpt2run {

// Notes where the code of a library lies, if it is open. The first 256 pieces of code are kept. By one thread at a
// time, and not in a signal handler; the others may be called there.
void note_code(const std::filesystem::path& file);

// The printable path of the library whose code this is, or null. It is never freed.
const char* plugin_at(const void* code);

// The same for the innermost function of a plugin that has not returned. stack: the end of the stack, below which
// nothing is in use, or an address a little beyond it, where the stack is full. Old values in it may name a plugin that
// has returned, so this is for messages only.
const char* plugin_on_stack(const void* stack);

// The plugin whose code a signal interrupted, or which had called what was, or null. context: the third argument of a
// handler with SA_SIGINFO.
const char* interrupted_plugin(const void* context);

// The file names of all libraries that were noted, with ", " between them.
const char* noted_plugins();

}  // namespace gpt2run
