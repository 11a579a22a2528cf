// What a precision rounds, as options of the precision `reference`, and what a step reads in that format.
#pragma once
#include <optional>
#include <string>

#include "common/evaluation/instances.hpp"

namespace gpt2run {

// The name of the precision that computes every contract.
inline constexpr char kReference[] = "reference";

bool is_reference(const BoundPlugin& chosen);

// The options that give `reference` the contract of an open instance: what its session says, or the number type in the
// plugin's name. Empty if neither says it.
std::string contract_of(const Instance& instance);

// The precision `reference` with these options. origin: how messages name them. Throws UsageError for options that it
// does not have, and if it is not installed.
BoundPlugin reference_with(PluginHost& host, const std::string& contract, const char* origin);

// The bytes of weights that a step of the instance reads, whatever its number of rows. Counted are the weights of
// step_elements(), each in the format that the contract gives it, with the scales and zero points that this format
// needs: `reference` computes with floats, but a precision of the same contract would store no more than this. A
// contract with parts that stay FP32 (`exact`) has no such number, as they are for diagnosis. Where there is no
// contract or no `reference`, the bytes are those that the session reports. None if they are unknown. The instance is
// open.
std::optional<int64_t> step_bytes_of(PluginHost& host, const Instance& instance);

}  // namespace gpt2run
