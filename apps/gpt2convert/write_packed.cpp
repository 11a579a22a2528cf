// Opens a session of the precision, which packs the weights and hands them over.
#include "write_packed.hpp"

#include <exception>

#include "common/config/create.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/program/interrupt.hpp"
#include "gpt2run/error.hpp"
#include "host/log.hpp"

namespace gpt2run::convert {
namespace {

namespace fs = std::filesystem;

void check_interrupt() {
  if (interrupted()) fail("interrupted while weights were packed");
}

}  // namespace

void write_packed(const fs::path& given, std::unique_ptr<Checkpoint> model, const PackedSource& source,
                  const BoundPlugin& chosen, bool force) {
  const fs::path folder = without_last_slash(given);
  PackedFolder::check_replaceable(folder);
  if (PackedFolder::is_one(folder) && !force) fail(folder.string(), ": already exists; --force replaces it");
  bool is_done = false;
  std::exception_ptr broken;
  const PackedCheckpoint packing(std::move(model), {},
                                 [&](std::span<const PackedPart> parts) -> std::optional<PackedFolder> {
                                   try {
                                     write_packed_folder(folder, source, parts, check_interrupt);
                                     is_done = true;
                                   } catch (...) {
                                     broken = std::current_exception();
                                   }
                                   return std::nullopt;
                                 });
  const Limits limits = {
      .slots = 1, .context = 1, .rows = 1, .logit_rows = 1, .threads = 0, .device = 0, .keep_raw = false};
  const auto precision = create<Precision>(chosen);
  precision->open(packing, limits);
  if (broken) std::rethrow_exception(broken);
  if (!is_done)
    fail("--packed: precision ", chosen.plugin->name,
         ": expected one that hands over packed weights, found one that does not, or a weight beyond its type");
  log_info("wrote " + folder.string());
}

}  // namespace gpt2run::convert
