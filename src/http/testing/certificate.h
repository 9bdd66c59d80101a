#pragma once
// A certificate of one's own for tests of TLS, made with the OpenSSL library.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

#include "weir/base/check.h"
#include "weir/http/server.h"

namespace weir {

// Writes a new key and a self-signed certificate for a numeric address, good for an hour.
inline void WriteCertificate(const HttpTlsFiles& files, const std::string& address) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  WEIR_CHECK(key != nullptr && certificate != nullptr, "no key");
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("weir test"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  for (const auto& [kind, text] : {std::pair<int, std::string>{NID_subject_alt_name, "IP:" + address},
                                   std::pair<int, std::string>{NID_basic_constraints, "critical,CA:TRUE"}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, text.c_str());
    WEIR_CHECK(extension != nullptr, "no extension");
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  WEIR_CHECK(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "cannot sign");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> chain(std::fopen(files.certificate_chain.c_str(), "w"),
                                                              &std::fclose);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> secret(std::fopen(files.private_key.c_str(), "w"), &std::fclose);
  WEIR_CHECK(chain != nullptr && secret != nullptr, "cannot write");
  PEM_write_X509(chain.get(), certificate.get());
  PEM_write_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
}

}  // namespace weir
