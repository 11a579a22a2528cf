#include "gpt2serve/access.hpp"

#include <algorithm>
#include <cctype>

#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2serve/api_error.hpp"

namespace gpt2run {
namespace {

std::string lower(std::string_view text) {
  std::string small(text);
  std::ranges::transform(small, small.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return small;
}

// A Host without its port. The brackets of an IPv6 address stay.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, std::min(host.find(']'), host.size() - 1) + 1);
  return host.substr(0, host.find(':'));
}

// Whether a host is an address rather than a name. A name of digits and dots alone cannot be registered.
bool is_address(std::string_view host) {
  const auto is_of_v4 = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
  return host.starts_with('[') || (!host.empty() && std::ranges::all_of(host, is_of_v4));
}

}  // namespace

Access::Access(const std::string& host, std::vector<std::string> names, std::vector<std::string> origins,
               std::vector<std::string> keys)
    : names_(std::move(names)), origins_(std::move(origins)), keys_(std::move(keys)) {
  names_.push_back(host);
  names_.emplace_back("localhost");
  for (std::string& name : names_) name = lower(name);
}

void Access::check_site(const HttpRequest& request) const {
  const std::string host = lower(without_port(request.host));
  if (!is_address(host) && std::ranges::find(names_, host) == names_.end())
    throw ApiError(
        403, "host_not_allowed", "",
        "Host: expected this server's address, found " + in_quotes(request.host) + "; --allow-host NAME adds a name");
  if (request.origin.empty() || is_named(request.origin)) return;
  if (lower(request.origin) != "http://" + lower(request.host))
    throw ApiError(
        403, "origin_not_allowed", "",
        "Origin: expected that of this server, found " + in_quotes(request.origin) + "; --cors ORIGIN adds one");
}

void Access::check_key(const HttpRequest& request) const {
  if (keys_.empty()) return;
  constexpr std::string_view kScheme = "bearer ";
  const std::string& given = request.authorization;
  const bool has_scheme = lower(given.substr(0, kScheme.size())) == kScheme;
  const std::string_view key = has_scheme ? std::string_view(given).substr(kScheme.size()) : std::string_view();
  bool is_known = false;  // all keys are compared, so that the time does not tell which one it is
  for (const std::string& one : keys_) is_known |= equal_in_constant_time(key, one);
  if (!is_known)
    throw ApiError(401, "invalid_api_key", "",
                   given.empty() ? "expected the header Authorization: Bearer KEY, found none"
                                 : "Authorization: expected Bearer and a key of this server, found another");
}

bool Access::is_named(std::string_view origin) const { return std::ranges::find(origins_, origin) != origins_.end(); }

HttpHeaders Access::cross_origin_headers(const HttpRequest& request) const {
  if (request.origin.empty() || !is_named(request.origin)) return {};
  return {{"Access-Control-Allow-Origin", request.origin},
          {"Vary", "Origin"},
          {"Access-Control-Allow-Methods", "GET, POST"},
          {"Access-Control-Allow-Headers", "Authorization, Content-Type"},
          {"Access-Control-Max-Age", "600"}};
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  // Every byte of `a` is looked at, whatever b is; only the lengths may be told by the time.
  volatile unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const unsigned char other = b.empty() ? 0 : static_cast<unsigned char>(b[i % b.size()]);
    difference = difference | (static_cast<unsigned char>(a[i]) ^ other);
  }
  return difference == 0;
}

std::vector<std::string> read_keys(const std::string& path) {
  const std::string content = read_file(path, "--api-key-file ");
  std::vector<std::string> keys;
  constexpr std::string_view kBlanks = " \t\r";
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    std::string_view line = std::string_view(content).substr(begin, end - begin);
    begin = end + 1;
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    line = line.substr(0, line.find_last_not_of(kBlanks) + 1);
    if (line.empty()) continue;
    if (!std::ranges::all_of(line, [](char c) { return c > ' ' && c < '\x7f'; }))
      fail("--api-key-file ", path, ": expected keys of printable ASCII without blanks, one a line, found another");
    keys.emplace_back(line);
  }
  if (keys.empty()) fail("--api-key-file ", path, ": expected a key, found none");
  return keys;
}

}  // namespace gpt2run
