// What ranks settle before their work: which part of the machine each has, what stands on standard input, and that all
// of them would run the same.
#pragma once
#include <cstdint>
#include <span>

#include "common/config/config.hpp"
#include "common/config/manifest.hpp"
#include "common/ranks/ranks.hpp"

namespace gpt2run {

// What a rank computes with.
struct Resources {
  int32_t threads, device;
};

// By --threads and --device; of several ranks, where the user named none, a share of this machine's threads and a
// device of its own.
Resources resources_of(const Configuration& configuration, const Ranks& ranks);

// Called by every rank before prompts and texts are read: where one of these options names standard input, all read
// what rank 0 has read.
void share_standard_input(Ranks& ranks, const Configuration& configuration);

// Called by every rank before their ways part. Throws at rank 0 when another one is about to do something else.
// errand: in lines, of which the first that differs is told: "--explain".
void check_mode(Ranks& ranks, const std::string& mode);

// Called by every rank before the work. Throws at rank 0 when another one would not run the same: other plugins,
// another model, other options, or other texts, which are what is worked on, wherever they came from. Paths may differ.
// Names the rank and the line of the manifest that differs.
void check_comparable(Ranks& ranks, const Manifest& manifest, std::span<const Prompt> texts);

}  // namespace gpt2run
