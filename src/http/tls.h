#pragma once
// TLS of the server: a context out of certificate and key files.

#include <boost/asio/ssl/context.hpp>

#include <memory>

#include "weir/base/result.h"
#include "weir/http/server.h"

namespace weir::http {

// TLS 1.2 at least, the library's own choice of ciphers, HTTP/1.1 by ALPN. Errors: see HttpServer::Start.
Result<std::shared_ptr<boost::asio::ssl::context>> LoadTls(const HttpTlsFiles& files);

}  // namespace weir::http
