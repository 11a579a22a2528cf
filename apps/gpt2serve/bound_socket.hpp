// BoundSocket: an address of this machine that the process holds, before anybody can connect to it.
#pragma once
#include <cstdint>
#include <string>

namespace gpt2run {

class BoundSocket {
 public:
  // host: an IPv4 or IPv6 address, or a name, of whose addresses the first IPv4 one is taken, or the first one of all.
  // port: 0 takes a free one. Throws UsageError for a host that is not known or not this machine's, and Error for a
  // port that is in use or forbidden.
  BoundSocket(const std::string& host, uint16_t port);
  ~BoundSocket();
  BoundSocket(const BoundSocket&) = delete;
  BoundSocket& operator=(const BoundSocket&) = delete;

  bool is_v6() const { return is_v6_; }
  int descriptor() const { return socket_; }
  // Hands the descriptor over to the caller, who closes it.
  int release();

 private:
  int socket_ = -1;
  bool is_v6_ = false;
};

}  // namespace gpt2run
