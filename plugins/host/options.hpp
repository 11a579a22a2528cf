// Typed option values: one OptionSpec gives default, parser, range check and help. Used for plugins and for a program's
// own options alike. Not thread-safe while set() runs.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpt2run/plugin.hpp"
#include "host/usage_error.hpp"

namespace gpt2run {

// Names are compared with '-' and '_' alike: this is the spelling they are compared in.
std::string normal_name(std::string_view name);

// The name most like `name`, or "" when none is near enough to be worth showing.
std::string nearest_name(std::string_view name, std::span<const std::string> names);

class OptionValues final : public Options {
 public:
  // All options at their defaults. specs must outlive this object (a plugin's are constant data of a library that stays
  // loaded). owner is named in errors: "sampler nucleus". Throws Error when a default or a range breaks its own spec.
  OptionValues(std::string owner, std::span<const OptionSpec> specs);

  bool declares(std::string_view key) const;
  bool is_flag(std::string_view key) const;  // a bool: its name alone means on. Throws Error if not declared

  // Parses and checks text. origin: how the user named the option, for the message. Throws UsageError naming origin,
  // the range or the choices, and what was found.
  void set(std::string_view key, std::string_view text, std::string_view origin);

  // Another default, of the composition's choosing: `given` stays false. Throws as set().
  void set_default(std::string_view key, std::string_view text);

  bool given(std::string_view key) const;                // set() was called
  const std::string& shown(std::string_view key) const;  // the value in one spelling: numbers shortest, on or off
  std::span<const OptionSpec> specs() const { return specs_; }
  const std::string& owner() const { return owner_; }

  double real(const char* key) const override;
  int64_t integer(const char* key) const override;
  bool flag(const char* key) const override;
  std::string_view text(const char* key) const override;

 private:
  struct Value {
    std::string shown;
    double real = 0;
    int64_t integer = 0;
    bool flag = false, given = false;
  };
  size_t index_of(std::string_view key) const;
  const Value& typed(const char* key, std::string_view type, std::string_view other = {}) const;
  Value parse(const OptionSpec& spec, std::string_view text, std::string_view origin) const;

  std::string owner_;
  std::span<const OptionSpec> specs_;
  std::vector<Value> values_;
};

}  // namespace gpt2run
