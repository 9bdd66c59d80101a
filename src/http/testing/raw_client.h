#pragma once
// RawClient: a socket to a server under test that sends any bytes, however wrong, and reads with a time limit.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "weir/base/check.h"
#include "weir/http/message.h"
#include "weir/http/server.h"

namespace weir {

// What a server sent; status 0: it closed before the head was whole.
struct RawResponse {
  int status = 0;
  HttpHeaders headers{};
  std::string body{};
};

class RawClient {
 public:
  explicit RawClient(const HttpEndpoint& endpoint, int receive_buffer_bytes = 0) {
    const bool is_unix = !endpoint.socket_path.empty();
    fd_ = ::socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int));
    int outcome = 0;
    if (is_unix) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::strncpy(address.sun_path, endpoint.socket_path.c_str(), sizeof address.sun_path - 1);
      outcome = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    } else {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(endpoint.port);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      outcome = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
    is_connected_ = outcome == 0;
  }
  RawClient(RawClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)), is_connected_(other.is_connected_) {}
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient() { Close(); }

  bool is_connected() const { return is_connected_; }
  int fd() const { return fd_; }
  void Close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void ShutdownSending() { ::shutdown(fd_, SHUT_WR); }

  // False: the server does not take it all.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // One response: its body by Content-Length, in chunks, or to the end.
  RawResponse Receive(bool is_head = false) {
    RawResponse response;
    size_t end = std::string::npos;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
      if (!More()) return response;
    }
    ParseHead(input_.substr(0, end + 2), response);
    input_.erase(0, end + 4);
    if (is_head || response.status == 204 || response.status == 304 || response.status == 100) return response;
    if (response.headers.HasToken("Transfer-Encoding", "chunked")) {
      while (Chunk(response.body)) {
      }
      return response;
    }
    if (const auto length = response.headers.Find("Content-Length")) {
      response.body = Take(std::stoull(std::string(*length)));
      return response;
    }
    response.body = ReadToEnd();
    return response;
  }

  // Everything until the server closes.
  std::string ReadToEnd() {
    while (More()) {
    }
    return std::exchange(input_, {});
  }
  // What has come when `count` bytes are there, or the end.
  std::string Take(size_t count) {
    while (input_.size() < count && More()) {
    }
    const std::string taken = input_.substr(0, count);
    input_.erase(0, count);
    return taken;
  }
  // Through the first `mark`; everything if it never comes.
  std::string TakeThrough(std::string_view mark) {
    size_t at = std::string::npos;
    while ((at = input_.find(mark)) == std::string::npos && More()) {
    }
    return Take(at == std::string::npos ? input_.size() : at + mark.size());
  }
  // True: the server closed the connection; everything unread is thrown away.
  bool IsClosed() {
    input_.clear();
    while (More()) input_.clear();
    return is_ended_;
  }
  // True: the last chunk of a chunked body came, as opposed to an end in the middle.
  bool was_whole() const { return was_whole_; }

 private:
  bool More() {
    if (is_ended_) return false;
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, kWaitMs) <= 0) return false;
    char piece[65536];
    const ssize_t size = ::recv(fd_, piece, sizeof piece, 0);
    if (size <= 0) {
      is_ended_ = true;
      return false;
    }
    input_.append(piece, static_cast<size_t>(size));
    return true;
  }
  bool Chunk(std::string& body) {
    was_whole_ = false;
    const std::string line = TakeThrough("\r\n");
    if (!line.ends_with("\r\n")) return false;
    const size_t size = std::stoull(line, nullptr, 16);
    if (size == 0) {
      was_whole_ = Take(2) == "\r\n";
      return false;
    }
    body += Take(size);
    return Take(2) == "\r\n";
  }
  static void ParseHead(std::string_view head, RawResponse& response) {
    size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    WEIR_CHECK(line.starts_with("HTTP/1.1 ") && line.size() >= 12, "no status line: {}", line);
    response.status = std::stoi(std::string(line.substr(9, 3)));
    for (head.remove_prefix(end + 2); !head.empty(); head.remove_prefix(end + 2)) {
      end = head.find("\r\n");
      const size_t colon = head.find(": ");
      WEIR_CHECK(colon < end, "no field: {}", head.substr(0, end));
      response.headers.Add(std::string(head.substr(0, colon)), std::string(head.substr(colon + 2, end - colon - 2)));
    }
  }

  static constexpr int kWaitMs = 10'000;
  int fd_ = -1;
  bool is_connected_ = false;
  bool is_ended_ = false;
  bool was_whole_ = false;
  std::string input_;
};

}  // namespace weir
