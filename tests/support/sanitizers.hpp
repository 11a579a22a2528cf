// What tests leave out under the sanitizers.
#pragma once
#include <gtest/gtest.h>

// Begins a test, or the SetUp() of its fixture, that has no place there; why is printed with the others that were
// skipped.
#if defined(__SANITIZE_ADDRESS__)
#define SKIP_UNDER_SANITIZERS(why) GTEST_SKIP() << why
#else
#define SKIP_UNDER_SANITIZERS(why) static_cast<void>(why)
#endif

namespace gpt2run::test {

// Of a test whose subject is a time, a number of things or a distribution. It takes many times as long under the
// sanitizers, and smaller tests go the same ways through the code.
inline constexpr char kOfSizes[] = "its subject is a size, and it takes long under the sanitizers";

}  // namespace gpt2run::test
