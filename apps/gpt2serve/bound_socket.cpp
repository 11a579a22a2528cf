#include "gpt2serve/bound_socket.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/usage_error.hpp"

namespace gpt2run {
namespace {

// Returns a descriptor that is bound to the address, or -1 with errno.
int bound_to(const addrinfo& address) {
  const int one = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  if (one < 0) return -1;
  setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(one, address.ai_addr, address.ai_addrlen) == 0) return one;
  const int why = errno;
  close(one);
  errno = why;
  return -1;
}

}  // namespace

BoundSocket::BoundSocket(const std::string& host, uint16_t port) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_family = AF_UNSPEC, wanted.ai_socktype = SOCK_STREAM, wanted.ai_flags = AI_NUMERICSERV;
  const int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (failed != 0)
    usage_error("--host ", in_quotes(host), ": expected an address or a name of this machine: ", gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, freeaddrinfo);
  std::vector<const addrinfo*> addresses;
  for (const addrinfo* one = found; one; one = one->ai_next) addresses.push_back(one);
  std::ranges::stable_sort(addresses, {}, [](const addrinfo* one) { return one->ai_family != AF_INET; });
  const addrinfo& address = *addresses.front();
  socket_ = bound_to(address);
  is_v6_ = address.ai_family == AF_INET6;
  if (socket_ >= 0) return;
  const int code = errno;
  const std::string why = std::strerror(code);
  if (code == EADDRNOTAVAIL || code == EAFNOSUPPORT)
    usage_error("--host ", in_quotes(host), ": expected an address or a name of this machine: ", why);
  const bool has_colon = host.find(':') != std::string::npos;
  fail("cannot listen on ", has_colon ? "[" + host + "]" : host, ":", port, ": ", why);
}

BoundSocket::~BoundSocket() {
  if (socket_ >= 0) close(socket_);
}

int BoundSocket::release() { return std::exchange(socket_, -1); }

}  // namespace gpt2run
