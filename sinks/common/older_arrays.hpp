// Arrays that an earlier run has left in a sink's folder.
#pragma once
#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "gpt2run/plugin.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run {

// Tells, at the end of a run, of arrays in the folder whose names look as if this sink had written them, and which this
// run has not written. They may be of use to someone, so they are left there; but who takes all files of the folder
// would mix two runs. start: what the names of its arrays begin with. written: the arrays of this run.
inline void warn_of_older_arrays(const Host& host, const std::string& sink, const std::string& folder,
                                 const std::string& start, const std::vector<OutputFile>& written) {
  std::set<std::string> own;
  for (const OutputFile& file : written) own.insert(std::filesystem::path(file.path()).filename());
  std::vector<std::string> older;
  std::error_code error;  // of a folder that cannot be read, in which nothing can be found
  for (const std::filesystem::path& entry : entries_of(folder, error)) {
    const std::string name = entry.filename();
    if (name.starts_with(start) && name.ends_with(".npy") && !own.contains(name)) older.push_back(name);
  }
  if (older.empty()) return;
  const std::string first = *std::ranges::min_element(older);
  host.log(2, (sink + ": " + in_quotes(folder) + " has " + std::to_string(older.size()) +
               (older.size() == 1 ? " array" : " arrays") + " that this run has not written, such as " + first +
               "; the index does not name " + (older.size() == 1 ? "it" : "them"))
                  .c_str());
}

}  // namespace gpt2run
