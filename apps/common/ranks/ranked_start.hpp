// What ranks agree on before a run: which part of the machine each uses, the content of standard input, and that all of
// them run the same.
#pragma once
#include <cstdint>
#include <span>

#include "common/config/config.hpp"
#include "common/config/manifest.hpp"
#include "common/ranks/ranks.hpp"

namespace gpt2run {

// The number of threads and the GPU that a rank uses.
struct Resources {
  int32_t threads, device;
};

// Takes --threads and --device. Where the user gave neither and there are several ranks, each gets a share of this
// machine's cores and a device of its own.
Resources resources_of(const Configuration& configuration, const Ranks& ranks);

// Gives all ranks the standard input that rank 0 has read, if one of the options names standard input. Every rank must
// call it before prompts and texts are read.
void share_standard_input(Ranks& ranks, const Configuration& configuration);

// Checks that all ranks are about to do the same. Every rank must call it, before anything that depends on the mode.
// mode: a description such as "--explain", which may have several lines. Throws RankError at rank 0 naming the rank and
// the first line that differs.
void check_mode(Ranks& ranks, const std::string& mode);

// Checks that all ranks would run the same: the same plugins, model, options and texts. Every rank must call it before
// the work. texts: the prompts or texts of the run, compared by content. Paths may differ, because ranks may run on
// different machines. Throws RankError at rank 0 naming the rank and the line of the manifest that differs.
void check_comparable(Ranks& ranks, const Manifest& manifest, std::span<const Prompt> texts);

}  // namespace gpt2run
