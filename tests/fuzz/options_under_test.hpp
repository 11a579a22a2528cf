// Options of a program and of a plugin, of every type, for the targets that parse them.
#pragma once
#include "common/config/config.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::fuzz {

inline constexpr CoreOption kCore[] = {
    {{"sampler", "text", "nucleus", "", "chain"}}, {{"prompt", "text", "", "", "text"}, 'p', true},
    {{"stop", "text", "", "", "text"}, 0, true},   {{"max_new_tokens", "int", "-1", "[-1, 1000000]", "tokens"}, 'n'},
    {{"quiet", "bool", "off", "", "no log"}, 'q'}, {{"config", "text", "", "", "file"}}};
inline constexpr OptionSpec kSpecs[] = {{"temp", "real", "1", "[0, inf)", "temperature"},
                                        {"top_k", "int", "10", "[0, inf)", "candidates"},
                                        {"mode", "enum", "a", "a|b", "mode"},
                                        {"color", "bool", "off", "", "colours"},
                                        {"out", "text", "-", "", "file"}};
inline constexpr Plugin kPlugin{kAbi, kTag,   Kind::sampler,     Space::host,     true,   "nucleus", "1",
                                "",   kSpecs, std::size(kSpecs), runs_everywhere, nullptr};

// Reads a command line as a program does, with the config file that it may name, and binds a plugin's options.
inline void configure(const std::vector<std::string>& arguments) {
  Configuration configuration(kCore, arguments);
  const std::vector<PluginSpec> chain = parse_plugin_list(configuration.values().text("sampler"), "--sampler");
  if (chain.front().name != kPlugin.name) usage_error("there is no sampler ", in_quotes(chain.front().name));
  BoundPlugin bound(kPlugin, chain.front(), Layer::command_line);
  BoundPlugin* const all[] = {&bound};
  configuration.bind(all, {});
}

}  // namespace gpt2run::fuzz
