// Writes verdicts.
#include "gpt2plugins/verdicts.hpp"

#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

using conformance::Verdict;

const char* name_of(Verdict::Result result) {
  constexpr const char* names[] = {"ok", "failed", "skipped"};
  return names[static_cast<int>(result)];
}

}  // namespace

void TapWriter::begin(const std::filesystem::path& file) { out_ << "# " << printable(file.string()) << std::endl; }

void TapWriter::write(const Verdict& verdict) {
  out_ << (verdict.result == Verdict::Result::failed ? "not ok " : "ok ") << ++count_ << " - " << verdict.what;
  if (verdict.result == Verdict::Result::failed) out_ << ": " << verdict.why;
  if (verdict.result == Verdict::Result::skipped) out_ << " # SKIP " << verdict.why;
  out_ << std::endl;
}

void TapWriter::finish(const std::vector<CheckedPlugin>& plugins) {
  const size_t failed = failed_of(plugins);
  out_ << "1.." << count_ << std::endl;
  if (failed > 0) out_ << "# " << failed << " of " << count_ << " failed" << std::endl;
  for (const CheckedPlugin& plugin : plugins)
    if (failed == 0 && !plugin.examination.not_run.empty())
      out_ << "# skipped: " << plugin.examination.not_run << std::endl;
}

std::string to_json(const std::vector<CheckedPlugin>& plugins) {
  JsonWriter json(2);
  json.begin_object();
  json.field("failed", failed_of(plugins));
  json.key("plugins");
  json.begin_list();
  for (const CheckedPlugin& plugin : plugins) {
    json.begin_object();
    json.key("checks");
    json.begin_list();
    for (size_t number = 1; const Verdict& verdict : plugin.examination.verdicts) {
      json.begin_object();
      json.field("check", verdict.what);
      json.field("number", number++);
      json.field("result", name_of(verdict.result));
      json.field("why", verdict.why);
      json.end_object();
    }
    json.end_list();
    json.field("failed", plugin.examination.failed());
    json.field("file", plugin.file.string());
    json.field("not_run", plugin.examination.not_run);
    json.end_object();
  }
  json.end_list();
  json.end_object();
  return json.json();
}

size_t failed_of(const std::vector<CheckedPlugin>& plugins) {
  size_t failed = 0;
  for (const CheckedPlugin& plugin : plugins) failed += plugin.examination.failed();
  return failed;
}

}  // namespace gpt2run
