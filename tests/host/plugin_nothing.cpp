// A library without a descriptor: the test of a missing symbol, and of one that comes from another library.
extern "C" [[gnu::visibility("default")]] int gpt2run_fixture_answer() { return 42; }
