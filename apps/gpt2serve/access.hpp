// Access: who may send requests. It checks the fields Host and Origin against DNS rebinding and pages of other sites,
// and keys.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "gpt2serve/http_server.hpp"

namespace gpt2run {

// Immutable; any thread.
class Access {
 public:
  // host: the address that the server listens on. names: further names of it. origins: whose pages may send requests.
  // keys: one of which a request must bring; empty if none is needed.
  Access(const std::string& host, std::vector<std::string> names, std::vector<std::string> origins,
         std::vector<std::string> keys);

  // Throws ApiError for a request whose Host is neither an IP address nor a name of this server, and for one from a
  // page that is neither of this server nor of a named origin.
  void check_site(const HttpRequest& request) const;
  // Throws ApiError for a request without a valid key, if one is needed.
  void check_key(const HttpRequest& request) const;

  // The Access-Control- fields for an answer to the request; none unless its origin was named.
  HttpHeaders cross_origin_headers(const HttpRequest& request) const;

 private:
  bool is_named(std::string_view origin) const;

  std::vector<std::string> names_, origins_, keys_;
};

// Compares two texts in a time that does not depend on where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// The keys of a file: one a line, blanks around it and empty lines left out. Throws Error for a file that cannot be
// read, for one without keys, and for a key with blanks or other characters than printable ASCII.
std::vector<std::string> read_keys(const std::string& path);

}  // namespace gpt2run
