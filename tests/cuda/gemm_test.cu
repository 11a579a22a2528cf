// cuBLASLt: a missing library is reported by name. On a device, its products equal plain sums, and equal products have
// the same bits whatever was multiplied between them.
#include "cuda/products.hpp"
#include "support/error_of.hpp"

namespace gpt2run::test {
namespace {

std::string error_opening(const char* file) {
  return error_of([&] { cuda::open_gemm(file); });
}

TEST(Gemm, AMissingLibraryIsNamed) {
  const std::string said = error_opening("libnothing-of-the-kind.so.1");
  EXPECT_EQ(said.rfind("expected libnothing-of-the-kind.so.1 for products of many rows, found none: ", 0), 0u) << said;
  EXPECT_NE(said.find("; invariant=prefill needs none"), std::string::npos) << said;
  EXPECT_NE(said.find("No such file"), std::string::npos) << said;
}

TEST(Gemm, AnotherLibraryIsNamed) {
  EXPECT_EQ(error_opening("libdl.so.2"), "libdl.so.2: expected the function cublasLtGetStatusString, found none");
}

// The library opens and has every function that is used. Without a device, only the next step fails.
TEST(Gemm, TheLibraryOpens) {
  const std::string said = error_opening(nullptr);
  if (said.rfind("expected libcublasLt.so.", 0) == 0) GTEST_SKIP() << said;
  EXPECT_TRUE(said == "no error" || said.rfind("taking memory of the CUDA device: ", 0) == 0 ||
              said.rfind("cuBLASLt, opening the device: ", 0) == 0)
      << said;
}

TEST(Gemm, ProductsOnADevice) {
  const Probe probe = cuda::probe();
  if (probe.score == 0) GTEST_SKIP() << probe.reason;
  cuda::open_device(0);
  expect_products(300);
}

}  // namespace
}  // namespace gpt2run::test
