// Folders of packed weights (common/pipeline/packed_folder.hpp).
#pragma once
#include <filesystem>
#include <memory>

#include "common/config/config.hpp"
#include "common/pipeline/packed_source.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run::convert {

// Writes the weights of a model as the kernels of a precision read them. source: the model's files. force: whether a
// folder of packed weights may be replaced. Throws Error for a precision that packs none, and after an interrupt; then
// nothing is written.
void write_packed(const std::filesystem::path& folder, std::unique_ptr<Checkpoint> model, const PackedSource& source,
                  const BoundPlugin& precision, bool force);

}  // namespace gpt2run::convert
