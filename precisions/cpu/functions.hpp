// How the compiler treats functions that are compiled for several machines, or called in another floating-point mode.
#pragma once

// A function that has no code of its own. The linker could not share it with code for a lesser machine.
#define GPT2RUN_INLINE [[gnu::always_inline]] inline

// A function that the compiler neither inlines nor looks into, so that no arithmetic crosses its calls.
#if defined(__clang__)
#define GPT2RUN_APART [[gnu::noinline]]
#else
#define GPT2RUN_APART [[gnu::noipa]]
#endif
