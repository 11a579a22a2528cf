// Typed option values. Each OptionSpec defines default, type, range and help of an option, for plugins and for programs
// alike. Not thread-safe while set() runs.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpt2run/plugin.hpp"
#include "host/usage_error.hpp"

namespace gpt2run {

// The normalised spelling of a name, in which names are compared: '-' becomes '_'.
std::string normal_name(std::string_view name);

// The name that is most similar to `name`, or "" when none is similar enough to suggest.
std::string nearest_name(std::string_view name, std::span<const std::string> names);

// The choices of a range of type enum, such as "keep|fp32|bf16".
std::vector<std::string> choices_of(std::string_view range);

// The values of a set of options.
class OptionValues final : public Options {
 public:
  // All options have their defaults. specs: outlive this object; those of a plugin do, since its library stays loaded.
  // owner: whose options they are, for messages, such as "sampler nucleus". Throws Error when a spec contradicts
  // itself, for example by a default outside of its range.
  OptionValues(std::string owner, std::span<const OptionSpec> specs);

  bool declares(std::string_view key) const;
  // Whether the option is a bool, whose name alone means "on". Throws Error if it is not declared.
  bool is_flag(std::string_view key) const;

  // Parses and checks a value. origin: how the user named the option, for messages. Throws UsageError naming the
  // option, the range or the choices, and what was found.
  void set(std::string_view key, std::string_view text, std::string_view origin);

  // Replaces the default; given() stays false. Throws as set() does.
  void set_default(std::string_view key, std::string_view text);

  bool given(std::string_view key) const;  // whether set() was called
  // The value as text in a unique spelling: the shortest form of a number, "on" or "off".
  const std::string& shown(std::string_view key) const;
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
