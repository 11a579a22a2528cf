// Tries a list of values for each option; the declared range decides which are valid.
#include "conformance/option_variants.hpp"

#include "gpt2run/sampler.hpp"

namespace gpt2run::conformance {
namespace {

constexpr size_t kMostOfAnOption = 3;

std::vector<std::string> split(std::string_view choices) {
  std::vector<std::string> parts;
  for (size_t bar; (bar = choices.find('|')) != choices.npos; choices.remove_prefix(bar + 1))
    parts.emplace_back(choices.substr(0, bar));
  parts.emplace_back(choices);
  return parts;
}

std::vector<std::string> texts_for(const OptionSpec& spec) {
  const std::string_view type = spec.type;
  if (type == "bool") return {"on", "off"};
  if (type == "enum") return split(spec.range);
  if (type == "int" || type == "real") return {"2", "0.5", "0", "1", "3", "0.125", "10", "100", "-1", "1000"};
  return {"1", "1=2", "2=-1"};  // a token id, or ids with numbers; a text that means something else is refused
}

// Sets an option. Returns whether the value is valid and differs from the one before.
bool change(OptionValues& options, const char* key, const std::string& text) {
  const std::string before = options.shown(key);
  try {
    options.set(key, text, "the check");
  } catch (const UsageError&) {
    return false;
  }
  return options.shown(key) != before;
}

bool can_be_created(const Plugin& sampler, const OptionValues& options) {
  try {
    create<Sampler>(sampler, options);
  } catch (const Error&) {
    return false;
  }
  return true;
}

}  // namespace

std::vector<OptionValues> option_variants(const Plugin& sampler) {
  std::vector<OptionValues> variants;
  OptionValues all = default_options(sampler);
  for (const OptionSpec& spec : all.specs()) {
    size_t count = 0;
    for (const std::string& text : texts_for(spec)) {
      OptionValues one = default_options(sampler);
      if (count == kMostOfAnOption || !change(one, spec.key, text) || !can_be_created(sampler, one)) continue;
      if (count++ == 0) change(all, spec.key, text);
      variants.push_back(std::move(one));
    }
  }
  if (all.specs().size() > 1 && can_be_created(sampler, all)) variants.push_back(std::move(all));
  return variants;
}

std::string changes_of(const OptionValues& options) {
  std::string text;
  for (const OptionSpec& spec : options.specs())
    if (options.given(spec.key))
      text.append(text.empty() ? "" : " ").append(spec.key).append("=").append(options.shown(spec.key));
  return text;
}

}  // namespace gpt2run::conformance
