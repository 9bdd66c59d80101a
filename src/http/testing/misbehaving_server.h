#pragma once
// MisbehavingServer: one thread that answers each connection with given bytes, whatever it is asked.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "weir/base/check.h"
#include "weir/http/client.h"

namespace weir {

class MisbehavingServer {
 public:
  // After the answer: closes, or reads one more request and closes without a word.
  enum class Then { kClose, kReadOneMoreAndClose };

  explicit MisbehavingServer(std::vector<std::string> answers, Then then = Then::kClose)
      : answers_(std::move(answers)), then_(then), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool listens = ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                         ::listen(listener_, 16) == 0 &&
                         ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    WEIR_CHECK(listens, "cannot listen");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~MisbehavingServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  HttpTarget target() const { return {.host = "127.0.0.1", .port = port_}; }

 private:
  void Serve() {
    for (const std::string& answer : answers_) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      ReadRequest(fd);
      ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (then_ == Then::kReadOneMoreAndClose) ReadRequest(fd);
      ::close(fd);
    }
  }
  // Up to the end of a head, or of the connection.
  static void ReadRequest(int fd) {
    std::string text;
    char byte = 0;
    while (!text.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) text.push_back(byte);
  }

  const std::vector<std::string> answers_;
  const Then then_;
  const int listener_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace weir
