// Resources, standard input, and the comparison of what the ranks are about to run.
#include "common/ranks/ranked_start.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "gpt2run/files/fingerprint.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/sdk/output_file.hpp"
#include "gpt2run/sdk/processors.hpp"

namespace gpt2run {
namespace {

// Launchers connect standard input to rank 0 only. The other ranks get a copy in memory as their standard input.
void share_standard_input(Ranks& ranks) {
  const std::string text = ranks.share(ranks.rank() == 0 ? read_standard_input("") : "");
  const int file = memfd_create("standard input", MFD_CLOEXEC);
  if (file < 0) fail("standard input of this rank: ", std::strerror(errno));
  write_all(file, text, "standard input of this rank");
  lseek(file, 0, SEEK_SET);
  dup2(file, STDIN_FILENO);
  close(file);
}

// The lines that must be equal on every rank: the manifest without paths, which may differ between machines, and with a
// hash in place of the prompts.
std::string comparable_text(Manifest manifest, std::span<const Prompt> texts) {
  Fingerprint prompts;
  for (const Prompt& prompt : texts) {
    const size_t sizes[] = {prompt.tokens.size(), prompt.text.size(), prompt.id.size()};
    prompts.add(sizes, sizeof sizes);
    prompts.add(prompt.tokens.data(), prompt.tokens.size() * sizeof prompt.tokens[0]);
    prompts.add(prompt.text.data(), prompt.text.size());
    prompts.add(prompt.id.data(), prompt.id.size());
  }
  std::erase_if(manifest.options, [](const RecordedOption& option) {
    constexpr std::string_view paths[] = {"model", "test_model", "tokenizer", "plugin_dir", "text", "prompts"};
    return std::ranges::find(paths, option.key) != std::end(paths);
  });
  manifest.options.push_back({"prompts", std::to_string(texts.size()) + ", hash " + prompts.hex(), "text"});
  manifest.prompts.clear();
  manifest.model.clear();
  return manifest.to_json();
}

std::string next_line(std::istream& lines) {
  std::string line;
  std::getline(lines, line);
  const size_t from = line.find_first_not_of(' '), to = line.find_last_not_of(", ");
  return from == line.npos ? "" : line.substr(from, to + 1 - from);
}

void check_comparable(const std::string& here, const std::string& there, int rank) {
  std::istringstream ours(here), theirs(there);
  while (ours || theirs) {
    const std::string expected = next_line(ours), found = next_line(theirs);
    if (expected != found)
      throw RankError("rank " + std::to_string(rank) + " would not run the same: expected " + expected +
                      " as at rank 0, found " + found);
  }
}

}  // namespace

Resources resources_of(const Configuration& configuration, const Ranks& ranks) {
  const OptionValues& values = configuration.values();
  Resources own{static_cast<int32_t>(values.integer("threads")), static_cast<int32_t>(values.integer("device"))};
  if (ranks.size() > 1 && configuration.layer("device") == Layer::fallback) own.device = ranks.local_rank();
  if (ranks.local_size() > 1 && configuration.layer("threads") == Layer::fallback) {
    const auto cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
    own.threads = std::max(1, std::min(processors(), cores / ranks.local_size()));
  }
  return own;
}

void share_standard_input(Ranks& ranks, const Configuration& configuration) {
  if (ranks.size() == 1) return;
  const auto names_it = [&](const char* key) { return std::ranges::count(configuration.list(key), "-") > 0; };
  const OptionValues& values = configuration.values();
  if (names_it("prompt") || names_it("prompts") || (values.declares("text") && values.text("text") == "-"))
    share_standard_input(ranks);
}

void check_mode(Ranks& ranks, const std::string& mode) {
  if (ranks.size() == 1) return;
  const std::vector<std::string> all = ranks.gather(mode);
  for (size_t rank = 1; rank < all.size(); ++rank) check_comparable(all[0], all[rank], static_cast<int>(rank));
}

void check_comparable(Ranks& ranks, const Manifest& manifest, std::span<const Prompt> texts) {
  if (ranks.size() > 1) check_mode(ranks, comparable_text(manifest, texts));
}

}  // namespace gpt2run
