#include "tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <exception>
#include <string>

#include "weir/base/file.h"

namespace weir::http {
namespace {

constexpr uint64_t kPemBytesMax = 1 << 20;

Error TlsError(const std::filesystem::path& path, std::string_view what) {
  char text[256] = "";
  if (const unsigned long code = ::ERR_get_error(); code != 0) ::ERR_error_string_n(code, text, sizeof text);
  ::ERR_clear_error();
  return InvalidArgument(fmt::format("{} {}: {}", path.string(), what, text));
}

// Clients that offer a choice hear that it is HTTP/1.1; those that offer only others are refused.
int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                   void*) {
  static constexpr unsigned char kOurs[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* selected = nullptr;
  if (::SSL_select_next_proto(&selected, out_size, kOurs, sizeof kOurs, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<boost::asio::ssl::context>> LoadTls(const HttpTlsFiles& files) {
  WEIR_ASSIGN(const std::string chain, ReadFile(files.certificate_chain, kPemBytesMax));
  WEIR_ASSIGN(const std::string key, ReadFile(files.private_key, kPemBytesMax));
  try {
    ::ERR_clear_error();
    auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
    SSL_CTX* native = context->native_handle();
    ::SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    ::SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
    ::SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    ::SSL_CTX_set_alpn_select_cb(native, SelectProtocol, nullptr);
    boost::system::error_code error;
    context->use_certificate_chain(boost::asio::buffer(chain), error);
    if (error) return TlsError(files.certificate_chain, "holds no certificate chain in PEM");
    context->use_private_key(boost::asio::buffer(key), boost::asio::ssl::context::pem, error);
    if (error)
      return TlsError(files.private_key, "holds no private key in PEM without a passphrase that fits the certificate");
    if (::SSL_CTX_check_private_key(native) != 1) return TlsError(files.private_key, "does not fit the certificate");
    return context;
  } catch (const std::exception& failure) {
    return Unavailable(fmt::format("cannot set up TLS: {}", failure.what()));
  }
}

}  // namespace weir::http
