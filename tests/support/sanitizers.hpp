// Tests that are left out, or do less, where they are compiled for AddressSanitizer.
#pragma once
#include <gtest/gtest.h>

namespace gpt2run::test {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kUnderAsan = true;
#else
inline constexpr bool kUnderAsan = false;
#endif

// The reason for a test of a large size or of many draws, whose code smaller tests run too.
inline constexpr char kSlowUnderAsan[] = "takes many times as long under AddressSanitizer";

}  // namespace gpt2run::test

// The first statement of a test, or of the SetUp() of its fixture. Under AddressSanitizer the test is skipped, and
// `why` is printed with it.
#define SKIP_UNDER_ASAN(why)        \
  if (!gpt2run::test::kUnderAsan) { \
  } else                            \
    GTEST_SKIP() << (why)
