// What the tests of cpu-int8 and cpu-int4 share: the same contract computed by `reference`, and a shape.
#pragma once
#include "backend.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {

// The options of `reference` in the text of a contract.
inline OptionValues options_of(std::string_view contract) {
  OptionValues values;
  while (!contract.empty()) {
    const std::string_view one = contract.substr(0, contract.find(':'));
    values[std::string(one.substr(0, one.find('=')))] = one.substr(one.find('=') + 1);
    contract.remove_prefix(std::min(one.size() + 1, contract.size()));
  }
  return values;
}

inline Backend reference_of(const std::string& contract) {
  return {contract, "reference", options_of(contract), Type::f32};
}

inline std::string contract_of(const Backend& backend) {
  const auto session = make_precision(backend)->open(TinyCheckpoint(), {1, 4, 1, 1, 1, 0, false});
  return session->traits().contract;
}

// A model whose C, F and V are no multiples of what a panel or a group has.
inline ModelConfig odd_shape() {
  return {.L = 2, .H = 2, .C = 44, .F = 76, .V = 71, .T = 40, .end_of_text = 22, .epsilon = 1e-5f};
}

}  // namespace gpt2run::test
