// The operations of a precision that rounds nothing. Needs only the SDK, so that plugins of tests can include it.
#pragma once
#include "gpt2run/sdk/reference.hpp"

namespace gpt2run::test {

struct ExactOps : ReferenceOps {
  float round(Point, float x) const override { return x; }
};

}  // namespace gpt2run::test
